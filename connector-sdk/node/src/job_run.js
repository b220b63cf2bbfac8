// One job: the context that its handler gets, and what may be said while it runs. No I/O: `session` sends.
import { AsyncLocalStorage } from 'node:async_hooks';
import { JobFailure } from './errors.js';
import { isObject, lenientObject, said, shortened } from './json_values.js';
import { JobFiles } from './job_files.js';
import { Members } from './members.js';
import { line } from './messages.js';
import { runProgram } from './run_program.js';
import { after } from './timers.js';

const progressInterval = 50;
/** Why a job is to stop; the numbers are what the reader writes (io_thread.js). */
export const causes = [undefined, 'cancel', 'gone', 'leave'];
/** The job whose code runs, also in its timers and callbacks. */
export const current = new AsyncLocalStorage();
const maxText = 4096;  // of a progress message: it is for a person

/** What processJob() sees of the job. */
export class Job {
    #payload;

    constructor(message, payloadText) {
        this.jobId = message.job_id;
        this.jobType = message.job_type ?? '';
        this.priority = message.priority ?? 0;
        this.attempt = message.attempt ?? 1;
        this.resume = message.resume === true;
        this.timeoutMs = message.timeout_ms ?? null;
        this.workDir = message.work_dir ?? '';
        this.traceparent = message.traceparent ?? null;
        this.payloadText = payloadText;
    }

    get payload() {
        if (this.#payload !== undefined) return this.#payload;
        let payload;
        try {
            payload = JSON.parse(this.payloadText);
        } catch (error) {
            throw new JobFailure('invalid_payload', `the payload cannot be read: ${error.message}`, { retryable: false });
        }
        if (!isObject(payload))
            throw new JobFailure('invalid_payload', 'the payload must be a JSON object', { retryable: false });
        return (this.#payload = payload);
    }

    get members() {
        return new Members(this.payload);
    }
}

export class RunningJob {
    #session;
    #controller = new AbortController();  // a cancel
    #over = new AbortController();  // a cancel, or the job's end
    #programs = new Set();
    #turn;
    #turnWaiters = [];
    #observed = false;
    #progress = { due: 0, waiting: null, timer: null };
    #files;

    /** `flag`: an Int32Array with the place in `causes` of what has stopped the job, while this thread is busy; or null. */
    constructor(session, message, payloadText, flag) {
        this.#session = session;
        this.job = new Job(message, payloadText);
        this.flag = flag;
        this.#turn = message.prepare !== true;
        this.#files = new JobFiles(session.settings.files);
        this.ended = false;
        this.endedWell = false;
        this.released = false;
        this.cause = null;  // one of `causes`
        this.reason = '';
        this.context = new JobContext(this);
    }

    get id() {
        return this.job.jobId;
    }
    get fired() {
        return this.cause !== null;
    }
    get hasTurn() {
        return this.#turn;
    }
    get observed() {
        return this.#observed;
    }

    cancel(reason, cause) {
        const first = !this.fired;
        // A real cancel after a leave counts: nothing is to be delivered then.
        if (first || cause === 'cancel') this.cause = cause;
        if (!first) return;
        this.reason = reason;
        // What the author's callbacks throw is the job's.
        current.run(this, () => {
            this.#controller.abort(new JobFailure('cancelled', reason || 'the job was cancelled'));
            this.#endPrograms(this.#controller.signal.reason);
            this.#turnWaiters.splice(0).forEach((wake) => wake(false));
        });
    }

    /** No more is said, and its programs end. */
    end(well) {
        this.ended = true;
        this.endedWell = well;
        this.takeFiles();
        current.run(this, () => this.#endPrograms(new JobFailure('cancelled', 'the job has ended')));
    }

    begin() {
        this.#turn = true;
        this.#turnWaiters.splice(0).forEach((wake) => wake(true));
    }

    /** What the reader knows and has not been told yet, because this thread was busy. */
    look() {
        const cause = this.flag === null ? undefined : causes[Atomics.load(this.flag, 0)];
        if (cause && !this.fired) this.cancel('the supervisor asked for it', cause);
    }

    isCancelled() {
        this.look();
        if (this.fired) this.#observed = true;
        return this.fired;
    }

    /** For the author: whether and when it is looked at is not to be seen from here. */
    get signal() {
        this.#observed = true;
        return this.#controller.signal;
    }

    /** Calls `callback` when the job is cancelled, which it has seen then; returns a function that undoes it. */
    onCancel(callback) {
        const { signal } = this.#controller;
        const seen = () => {
            this.#observed = true;
            return callback();
        };
        signal.addEventListener('abort', seen, { once: true });
        return () => signal.removeEventListener('abort', seen);
    }

    runProgram(argv, options) {
        const { signal } = this.#over;
        const ignore = this.isCancelled() ? () => {} : this.onCancel(() => {});
        const running = runProgram(argv, options, signal).finally(() => {
            ignore();
            this.#programs.delete(running);
        });
        if (signal.aborted) running.catch(() => {});
        else this.#programs.add(running);
        return running;
    }
    #endPrograms(reason) {
        // Who has not waited until now does not want to know how they end.
        this.#programs.forEach((each) => each.catch(() => {}));
        this.#over.abort(reason);
    }

    waitTurn() {
        if (this.isCancelled()) return Promise.resolve(false);
        if (this.#turn) return Promise.resolve(true);
        return new Promise((resolve) => {
            this.#turnWaiters.push((come) => {
                if (!come) this.#observed = true;
                resolve(come);
            });
        });
    }

    send(message, optional) {
        if (!this.ended && this.#turn) this.#session.send(line(message, optional));
    }

    progress(percent, message, status, details) {
        if (this.ended || !this.#turn) return;
        const sent = { type: 'progress', job_id: this.id };
        const number = typeof percent === 'number' ? percent : NaN;
        if (!Number.isNaN(number)) sent.progress = Math.round(Math.min(100, Math.max(0, number)));
        sent.status = shortened(status || 'processing', maxText);
        sent.message = shortened(message, maxText);
        const object = lenientObject(details);
        if (object) sent.details = object;
        const now = performance.now();
        if (now >= this.#progress.due) {
            this.#progress.waiting = sent;
            this.flushProgress();
        } else {
            this.#progress.waiting = sent;
            this.#progress.timer ??= setTimeout(() => this.flushProgress(), this.#progress.due - now);
        }
    }

    flushProgress() {
        clearTimeout(this.#progress.timer);
        const { waiting } = this.#progress;
        this.#progress = { due: performance.now() + progressInterval, waiting: null, timer: null };
        if (waiting) this.send(waiting, 'details');
    }

    release() {
        if (!this.#turn || this.ended) return false;
        if (this.released) return true;
        if (!this.#session.takeRelease()) return false;
        this.released = true;
        this.send({ type: 'released', job_id: this.id });
        return true;
    }

    addFile(file) {
        return this.#files.add(file);
    }
    takeFiles() {
        return this.#files.take();
    }
    log(level, message, fields) {
        this.#session.log(level, message, { job_id: this.id, ...(isObject(fields) ? fields : {}) });
    }
}

/** What processJob() gets beside the job; the contract is in index.d.ts. */
class JobContext {
    #run;

    constructor(run) {
        this.#run = run;
    }

    progress(percent, message = '', status = 'processing', details = undefined) {
        this.#run.progress(percent, message, status, details);
    }
    get signal() {
        return this.#run.signal;
    }
    cancelled() {
        return this.#run.isCancelled();
    }
    cancelReason() {
        return this.#run.reason;
    }
    supervisorGone() {
        return this.#run.isCancelled() && this.#run.cause === 'gone';
    }
    waitCancelled(milliseconds) {
        const run = this.#run;
        if (run.isCancelled()) return Promise.resolve(true);
        return new Promise((resolve) => {
            const end = () => {
                clearTimeout(timer);
                ignore();
                resolve(run.isCancelled());
            };
            const timer = after(milliseconds ?? 0, end);
            const ignore = run.onCancel(end);
        });
    }
    onCancel(callback) {
        const run = this.#run;
        if (run.isCancelled()) current.run(run, () => queueMicrotask(() => callback()));
        else run.onCancel(() => callback());
    }
    hasTurn() {
        return this.#run.hasTurn;
    }
    waitTurn() {
        return this.#run.waitTurn();
    }
    serviceRequest(service = '', requestType = '', content = {}) {
        this.#run.send({ type: 'service_request', job_id: this.#run.id, service: shortened(service, maxText),
            request_type: shortened(requestType, maxText), content: lenientObject(content) ?? {} }, 'content');
    }
    accepted() {
        this.#run.send({ type: 'accepted', job_id: this.#run.id });
    }
    log(level, message, fields) {
        this.#run.log(level, message, fields);
    }
    release() {
        return this.#run.release();
    }
    addFile(file, more = {}) {
        return this.#run.addFile(typeof file === 'string' ? { path: file, ...more } : file);
    }
    runProgram(argv, options = {}) {
        return this.#run.runProgram(argv, { cwd: this.#run.job.workDir || undefined, ...options });
    }
}

/** A job that was told to stop is not reported as what it returned: that is half done. Null: it counts. */
export function stopped(run) {
    run.look();
    if (!run.fired) return null;
    if (run.cause === 'cancel')
        return { code: 'cancelled', message: `the job was cancelled: ${said(run.reason)}`, retryable: true };
    if (!run.observed) return null;
    return { code: 'drained', retryable: true,
        message: `the connector had to leave before the job was done: ${said(run.reason)}` };
}

