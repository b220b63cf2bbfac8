// A supervisor in memory, so that handlers are unit-tested: run(connector, payload). See testing.d.ts and README.md.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { asked } from './src/asked.js';
import { strictText } from './src/json_values.js';
import { nameOfProgram } from './src/by_hand.js';
import { parseLine } from './src/parse_line.js';
import { Session } from './src/session.js';

const grace = 2000;

/** What came of a job: `result` or `error`, `files`, and all `messages`. */
class Outcome {
    constructor(messages, jobId, workDir) {
        const end = messages.find((each) => isEnd(each) && each.job_id === jobId);
        const ofJob = (type) => messages.filter((each) => each.type === type && each.job_id === jobId);
        this.messages = messages;
        this.result = end.result;
        this.error = end.error;
        this.files = end.files ?? [];
        this.progress = ofJob('progress');
        this.log = messages.filter((each) => each.type === 'log');
        this.workDir = workDir;
    }

    /** The content of the nth file. */
    read(index) {
        return fs.readFileSync(path.resolve(this.workDir, this.files[index].path));
    }
}

function isEnd(message) {
    return message.type === 'result' || message.type === 'failed';
}

/** What the worker would say of a file that is not there. */
function fileFault(file, index, workDir) {
    if (!file.path) return null;
    const full = path.resolve(workDir, file.path);
    if (full !== workDir && !full.startsWith(`${workDir}/`)) return `files[${index}].path does not lead into the job's work_dir`;
    try {
        if (fs.realpathSync(full) !== full) return `files[${index}].path leads over a link`;
        return fs.lstatSync(full).isFile() ? null : `files[${index}].path is no regular file`;
    } catch (error) {
        return `files[${index}].path: ${error.message}`;
    }
}

const folders = new Set();

function removeAtExit(folder) {
    if (folders.size === 0)
        process.on('exit', () => folders.forEach((each) => fs.rmSync(each, { recursive: true, force: true })));
    folders.add(folder);
}

export class Supervisor {
    #connector;
    #session;
    #waiting = new Set();
    #folder = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), 'emprops-'));
    #folders = new Map();

    constructor(connector, { settings = {}, timeoutMs = 10000, hello = {} } = {}) {
        this.#connector = connector;
        this.timeoutMs = timeoutMs;
        this.messages = [];
        this.lines = [];
        this.exitCode = null;
        this.#session = new Session(connector, 'test', {
            write: (line) => this.#onLine(line),
            left: (code) => {
                this.exitCode = code;
                this.#wake();
            },
        });
        this.hello = { type: 'hello', protocol_versions: [1], worker_id: 'test', connector: 'test', instance: 0,
            max_line_bytes: 24 << 20, work_dir: this.#folder, prepare_timeout_ms: 0,
            heartbeat: { interval_ms: 0, missed: 3 },
            files: { stores: ['inline', 'reference'], max_files: 1000, released: 2 }, settings, ...hello };
        removeAtExit(this.#folder);
    }

    #onLine(line) {
        this.lines.push(line);
        const message = JSON.parse(line);
        for (const [index, file] of (message.files ?? []).entries()) {
            const fault = fileFault(file, index, this.#folders.get(message.job_id));
            if (fault) {
                message.type = 'failed';
                message.error = { code: 'protocol_error', message: fault };
                delete message.result;
            }
        }
        this.messages.push(message);
        this.#wake();
    }

    #wake() {
        this.#waiting.forEach((look) => look());
    }

    /** Starts the connector; throws with the reason if it does not become ready. */
    async start() {
        this.#session.name = await asked(this.#connector, 'name', '') || nameOfProgram(process.argv[1]);
        this.send(Object.fromEntries(Object.entries(this.hello).filter(([, value]) => value !== null && value !== undefined)));
        const answer = await this.wait(['ready', 'init_failed']);
        if (answer.type === 'init_failed') throw Object.assign(new Error(answer.error.message), { error: answer.error });
        return answer;
    }

    /** A message of the supervisor, as it goes over the wire. */
    send(message) {
        const { payload, ...rest } = message;
        const text = payload === undefined ? JSON.stringify(rest)
            : `${JSON.stringify(rest).slice(0, -1)},"payload":${strictText(payload, 'payload')}}`;
        const parsed = parseLine(text);
        this.#session.receive(parsed.message, parsed.payloadText);
    }

    /** Gives a job; returns its id. More members of the message by `more`. */
    give(payload = {}, { jobId = 'job-1', jobType = '', ...more } = {}) {
        const types = this.messages.find((each) => each.type === 'ready')?.job_types;
        const workDir = fs.mkdtempSync(path.join(this.#folder, 'job-'));
        this.#folders.set(jobId, workDir);
        this.send({ type: 'job', job_id: jobId, job_type: jobType || types?.[0] || 'test', priority: 0, attempt: 1,
            resume: false, work_dir: workDir, ...more, payload });
        return jobId;
    }

    cancel(jobId = 'job-1', reason = 'cancelled by the test') {
        this.send({ type: 'cancel', job_id: jobId, reason });
    }

    /** The message of one of these types; rejects if it does not come in time. */
    async wait(types, { jobId, count = 1 } = {}) {
        const wanted = [types].flat();
        const found = () => this.messages.filter((each) => wanted.includes(each.type) &&
            (jobId === undefined || each.job_id === jobId));
        await this.#until(() => found().length >= count, () => `no ${wanted.join(' or ')}; there were ` +
            `${this.messages.map((each) => each.type).join(', ')}`);
        return found()[count - 1];
    }

    #until(condition, problem, limit = this.timeoutMs) {
        return new Promise((resolve, reject) => {
            const done = (settle, value) => {
                clearTimeout(timer);
                this.#waiting.delete(look);
                settle(value);
            };
            const look = () => condition() && done(resolve);
            const timer = setTimeout(() => done(reject, new Error(`${problem()} (within ${limit} ms)`)), limit);
            this.#waiting.add(look);
            look();
        });
    }

    async outcome(jobId = 'job-1') {
        await this.wait(['result', 'failed'], { jobId });
        return new Outcome([...this.messages], jobId, this.#folders.get(jobId));
    }

    /** Ends the connector as a worker does; its exit code. The folders stay until this process ends. */
    async stop() {
        if (this.exitCode === null) this.send({ type: 'shutdown', grace_ms: grace });
        await this.#until(() => this.exitCode !== null, () => 'the connector does not leave',
            Math.max(this.timeoutMs, grace + 1000));
        return this.exitCode;
    }
}

/** Starts the connector, gives it one job and returns what came of it. */
export async function run(connector, payload = {}, options = {}) {
    const { settings, timeoutMs, hello, cancelAt, ...job } = options;
    const supervisor = new Supervisor(connector, { settings, timeoutMs, hello });
    await supervisor.start();
    try {
        const jobId = supervisor.give(payload, job);
        if (cancelAt) {
            await supervisor.wait(cancelAt, { jobId });
            supervisor.cancel(jobId);
        }
        const outcome = await supervisor.outcome(jobId);
        await supervisor.stop();
        return outcome;
    } catch (error) {
        // The reason, and not what comes of it.
        if (supervisor.exitCode === null) await supervisor.stop().catch(() => {});
        throw error;
    }
}
