// The life of a connector: hello, initialize, ready, jobs, leave. No I/O: messages come in by receive(), lines go out by
// `port.write(line)`; `port.left(code)` is called once when the connector has left, `port.deadline(ms)` when it begins
// to, so that somebody else can end a process whose event loop is blocked. One thread.
import { asked, checkHandler, concurrencyOf, jobTypesOf, objectOf } from './asked.js';
import { errorOf, tellStack } from './errors.js';
import { isObject, lenientObject, said, shortened } from './json_values.js';
import { current, RunningJob, stopped } from './job_run.js';
import { Members } from './members.js';
import { failedLine, line, resultLine } from './messages.js';
import { after } from './timers.js';

// The protocol's own, and the words of other loggers.
const levels = { __proto__: null, trace: 'trace', debug: 'debug', info: 'info', warn: 'warn', error: 'error', warning: 'warn',
    critical: 'error', fatal: 'error', panic: 'error' };
const exitInternal = 70;
const exitConfiguration = 78;
// Below the steps of the supervisor's stop ladder, so that the connector ends by itself.
const limits = { gone: 2000, terminate: 4000 };

export function publicSettings(hello) {
    const { files } = hello;
    const settings = isObject(hello.settings) ? hello.settings : {};
    return {
        workerId: hello.worker_id ?? '', connector: hello.connector ?? '', instance: hello.instance ?? 0, settings,
        members: new Members(settings, { what: 'the settings', settings: true }),
        workDir: hello.work_dir ?? '', hub: hello.hub ?? '', concurrency: hello.concurrency ?? null,
        files: isObject(files) ? { stores: files.stores ?? [], maxFiles: files.max_files ?? 0,
            released: files.released ?? 0, maxBytes: files.max_bytes ?? 0, deliver: files.deliver ?? [],
            jobs: files.jobs ?? [] } : null,
    };
}

export class Session {
    #connector;
    #port;
    #jobs = new Map();
    #held = [];  // status and capabilities from before `ready`
    #hello = null;
    #ready = false;
    #draining = false;
    #leaving = null;  // the timer of leaving by force
    #left = false;
    #starting = null;
    #concurrency = 1;
    #released = 0;
    #lastStatus = null;

    constructor(connector, name, port) {
        this.#connector = connector;
        this.name = name;
        this.#port = port;
        this.settings = null;
        this.context = new ConnectorContext(this);
    }

    // ---- what comes in

    /** `payloadText` and `flag` of a `job`: see RunningJob. */
    receive(message, payloadText = '{}', flag = null) {
        switch (message.type) {
            case 'hello': return this.#onHello(message);
            case 'job': return this.#onJob(message, payloadText, flag);
            case 'begin': return this.#onBegin(message);
            case 'cancel': return this.#jobs.get(message.job_id)?.cancel(String(message.reason ?? ''), 'cancel');
            case 'ping': return this.send(line({ type: 'pong', id: message.id }));
            case 'drain': this.#draining = true; return undefined;
            case 'shutdown': return this.leave('the supervisor asked for it', message.grace_ms ?? 0, 'leave');
            default: return undefined;  // of a later version
        }
    }
    inputEnded() {
        if (!this.#hello) return this.#end(0);
        // After `shutdown` the supervisor closes stdin at once, and the grace still holds.
        if (!this.#leaving) this.leave('the supervisor closed stdin', limits.gone, 'gone');
    }
    writeFailed() {
        if (!this.#leaving) this.leave('the supervisor reads no more', limits.gone, 'gone');
    }
    terminate() {
        this.leave('terminated by SIGTERM', limits.terminate, 'leave');
    }
    /** An exception that nobody has caught, or a rejection that nobody awaits. */
    uncaught(error, { rejected = false } = {}) {
        const run = current.getStore();
        tellStack(this.name, error);
        if (run && this.#jobs.get(run.id) === run) {
            this.#finish(run, failedLine(run.id, errorOf(error)));
            if (!run.fired) run.cancel('the job has failed', 'leave');  // its handler may still run
            return undefined;
        }
        // A job that ended well may have opened what others use (a client that is made when it is first needed), and an
        // 'error' of that would never be seen again. A rejection, or what a failed job has left, concerns nobody.
        if (run && (rejected || !run.endedWell)) return undefined;
        if (!this.#ready && this.#starting) return this.#giveUp(errorOf(error));
        // Whose it is cannot be told, nor in what state it has left the connector.
        const told = errorOf(error);
        process.stderr.write(`${this.name} ends: ${told.message}\n`);
        for (const each of [...this.#jobs.values()]) this.#finish(each, failedLine(each.id, told));
        return this.#end(exitInternal);
    }

    #onHello(hello) {
        if (this.#hello) return;
        this.#hello = hello;
        this.settings = publicSettings(hello);
        this.#starting = this.#start(hello).finally(() => {
            this.#starting = null;
            this.#endIfIdle();
        });
    }

    async #start(hello) {
        try {
            const versions = hello.protocol_versions ?? [];
            if (!versions.includes(1)) {
                const message = `this connector speaks protocol version 1, the supervisor offers ` +
                    `${versions.join(', ') || 'none'}; use the SDK that belongs to the supervisor`;
                return this.#giveUp({ code: 'unsupported', message, retryable: false });
            }
            checkHandler(this.#connector);
            await this.#connector.initialize?.(this.settings, this.context);
            const ready = await this.#describe(hello);
            if (this.#leaving) return;
            this.#concurrency = ready.concurrency;
            this.send(line(ready, 'capabilities'));
            this.#held.splice(0).forEach((each) => this.send(each));
            this.#ready = true;
        } catch (error) {
            tellStack(this.name, error);
            this.#giveUp(errorOf(error));
        }
    }

    async #describe(hello) {
        const features = { cancel: true, ...await objectOf(this.#connector, 'features') };
        const names = ['cancel', 'status', 'resume', 'prepare', 'files'].filter((each) => features[each] &&
            (each !== 'files' || hello.files));  // a worker that takes no files does not know the feature
        const own = await concurrencyOf(this.#connector);
        return { type: 'ready', protocol: 1, name: this.name, version: shortened(await asked(this.#connector, 'version', ''), 256),
            ...await jobTypesOf(this.#connector), concurrency: hello.concurrency ?? own,
            features: ['ping', ...names],
            capabilities: lenientObject(await objectOf(this.#connector, 'capabilities')) ?? {} };
    }

    #giveUp(error) {
        process.stderr.write(`${this.name} cannot start: ${error.message}\n`);
        this.send(line({ type: 'init_failed', error }, 'details'));
        this.#end(error.retryable ? exitInternal : exitConfiguration);
    }

    // ---- jobs

    #onJob(message, payloadText, flag) {
        const id = message.job_id;
        if (this.#jobs.has(id)) {
            process.stderr.write(`${this.name}: job ${shortened(id, 200)} was given twice; the second one is ignored\n`);
            this.#port.jobEnded?.(flag);
            return;
        }
        const running = [...this.#jobs.values()].filter((run) => !run.released);
        const begun = running.filter((run) => run.hasTurn).length;
        if (!this.#ready) this.#refuse(id, flag, 'the connector is not ready yet');
        else if (this.#draining) this.#refuse(id, flag, 'the connector is leaving');
        else if (message.prepare && running.length > begun) this.#refuse(id, flag, 'another job is being prepared');
        else if (!message.prepare && begun >= this.#concurrency)
            this.#refuse(id, flag, `all ${this.#concurrency} slots of the connector are taken`);
        else this.#run(new RunningJob(this, message, payloadText, flag));
    }

    #refuse(id, flag, message) {
        this.#port.jobEnded?.(flag);
        this.send(failedLine(id, { code: 'not_started', message, retryable: true }));
    }

    #onBegin(message) {
        const run = this.#jobs.get(message.job_id);
        if (!run || run.hasTurn) return;
        run.begin();
        run.context.accepted();
    }

    async #run(run) {
        this.#jobs.set(run.id, run);
        if (run.hasTurn) run.context.accepted();
        let end;
        let well = false;
        try {
            const result = await current.run(run, async () => this.#connector.processJob(run.job, run.context));
            if (run.ended) return;
            end = resultLine(run.id, result, run.takeFiles(), this.#hello.max_line_bytes ?? 24 << 20);
            well = true;
        } catch (error) {
            if (!run.fired) tellStack(this.name, error);
            end = failedLine(run.id, errorOf(error));
        }
        this.#finish(run, end, well);
    }

    #finish(run, end, well = false) {
        if (run.ended) return;
        run.flushProgress();
        const stop = stopped(run);
        run.end(well && !stop);
        this.#jobs.delete(run.id);
        if (run.released) --this.#released;
        this.send(stop ? failedLine(run.id, stop) : end);
        this.#port.jobEnded?.(run.flag);
        this.#endIfIdle();
    }

    takeRelease() {
        if (this.#released >= (this.settings.files?.released ?? 0)) return false;
        ++this.#released;
        return true;
    }

    // ---- leaving

    leave(reason, limit, cause) {
        if (this.#left) return;
        this.#draining = true;
        const by = performance.now() + limit;
        if (!this.#leaving || by < this.#leaving.by) {
            clearTimeout(this.#leaving?.timer);
            this.#leaving = { by, timer: after(limit, () => this.#force(reason)) };
            this.#port.deadline?.(limit);
        }
        this.#jobs.forEach((run) => run.cancel(reason, cause));
        this.#endIfIdle();
    }

    #force(reason) {
        const running = [...this.#jobs.keys()].map((id) => shortened(id, 200)).join(', ');
        process.stderr.write(`${this.name} leaves by force (${reason})${running ? `; still running: ${running}` : ''}\n`);
        this.#end(exitInternal);
    }

    async #endIfIdle() {
        if (!this.#leaving || this.#starting || this.#jobs.size > 0 || this.#left || this.shuttingDown) return;
        this.shuttingDown = true;
        try {
            await this.#connector.shutdown?.();
        } catch (error) {
            process.stderr.write(`${this.name}: shutdown() threw: ${errorOf(error).message}\n`);
            tellStack(this.name, error);
        }
        this.#end(0);
    }

    #end(code) {
        if (this.#left) return;
        this.#left = true;
        clearTimeout(this.#leaving?.timer);
        this.#port.left(code);
    }

    // ---- what goes out

    send(text) {
        if (!this.#left) this.#port.write(text);
    }
    sendWhenReady(text) {
        if (this.#ready) this.send(text);
        else this.#held.push(text);
    }
    log(level, message, fields) {
        const told = { type: 'log', level: levels[String(shortened(level, 20)).toLowerCase()] ?? 'info', message: said(message) };
        const object = lenientObject(fields);
        if (object) told.fields = object;
        this.send(line(told, 'fields'));
    }
    setStatus(status) {
        const text = line(status, 'details');
        if (text === this.#lastStatus) return;  // connectors poll; the Hub need not hear of it
        this.#lastStatus = text;
        this.sendWhenReady(text);
    }
    async updateCapabilities(capabilities) {
        const types = await jobTypesOf(this.#connector);
        const own = await concurrencyOf(this.#connector);
        this.#concurrency = this.settings?.concurrency ?? own;
        this.sendWhenReady(line({ type: 'capabilities', ...types,
            concurrency: this.#concurrency, capabilities: lenientObject(capabilities) ?? {} }));
    }
    /** The supervisor knows `preparing` and `metrics`; an older one would complain of them. */
    get #grown() {
        return this.#hello?.prepare_timeout_ms !== undefined;
    }
    preparing(progress, message) {
        if (this.#ready || !this.#grown) return;
        const sent = { type: 'preparing' };
        if (typeof progress === 'number' && !Number.isNaN(progress))
            sent.progress = Math.min(100, Math.max(0, progress));
        this.send(line({ ...sent, message: shortened(message, 4096) }));
    }
    metrics(given) {
        if (!this.#ready || !this.#grown) return;
        // What the protocol would drop is left out.
        let room = 50;
        const figures = (values, least) => Object.fromEntries(Object.entries(lenientObject(values) ?? {})
            .filter(([name, value]) => /^[a-z][a-z0-9_]{0,63}$/.test(name) && Number.isFinite(value) && value >= least && room-- > 0));
        const counters = figures(given?.counters, 0);
        this.send(line({ type: 'metrics', counters, gauges: figures(given?.gauges, -Infinity) }));
    }
    get stopping() {
        return this.#draining;
    }
}

/** The connector's own line to the supervisor, outside of jobs; the contract is in index.d.ts. */
class ConnectorContext {
    #session;

    constructor(session) {
        this.#session = session;
    }
    setStatus(connected, available = connected, reason = '', service = '', details = undefined) {
        const status = { type: 'status', connected: connected === true, available: available === true,
            reason: shortened(reason, 4096), service: shortened(service, 4096) };
        const object = lenientObject(details);
        this.#session.setStatus(object ? { ...status, details: object } : status);
    }
    updateCapabilities(capabilities = {}) {
        return this.#session.updateCapabilities(capabilities);
    }
    restartService(reason = '') {
        this.#session.send(line({ type: 'restart_service', reason: shortened(reason, 4096) }));
    }
    log(level, message, fields) {
        this.#session.log(level, message, fields);
    }
    preparing(progress, message = '') {
        this.#session.preparing(progress, message);
    }
    metrics(figures) {
        this.#session.metrics(figures);
    }
    stopping() {
        return this.#session.stopping;
    }
}
