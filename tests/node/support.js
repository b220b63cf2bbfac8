// A connector process and the supervisor's side of its conversation, as the worker starts it. When a test ends, all that
// the process has said is checked by the supervisor's decoder and the schemas (tests/support/check_messages).
import assert from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const sdk = fileURLToPath(new URL('../../connector-sdk/node/', import.meta.url));
export const fixture = fileURLToPath(new URL('connectors/author.js', import.meta.url));
const deadline = 30000;

export function checkMessages(lines) {
    const program = process.env.EMPROPS_CHECK_MESSAGES;
    if (!program) return;  // by hand; ctest sets it
    const { status, stderr } = spawnSync(program, { input: lines.map((line) => `${line}\n`).join(''), encoding: 'utf8' });
    assert.strictEqual(status, 0, stderr);
}

/** For what tells nobody that it has come: looks until `condition` holds. */
export async function eventually(condition, what) {
    const end = performance.now() + deadline;
    while (!condition()) {
        assert.ok(performance.now() < end, `${what}: not within ${deadline} ms`);
        await new Promise((done) => setTimeout(done, 10));
    }
}

/** A process has ended, if perhaps not been reaped by its parent. SIGKILL takes a while: its pipes are closed before. */
export function gone(pid) {
    return eventually(() => {
        try {
            return /^\d+ \(.*\) [ZX]/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
        } catch {
            return true;
        }
    }, `process ${pid} has ended`);
}

/** Removed when the test has ended, after `end` (Node calls hooks in the order in which they came). */
export function temporaryFolder(t, end = () => {}) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'emprops-node-'));
    t.after(async () => {
        try {
            await end();
        } finally {
            fs.rmSync(folder, { recursive: true, force: true });
        }
    });
    return folder;
}

function makePipe(name) {
    const { O_RDONLY, O_WRONLY, O_NONBLOCK } = fs.constants;
    assert.strictEqual(spawnSync('mkfifo', [name]).status, 0);
    const read = fs.openSync(name, O_RDONLY | O_NONBLOCK);
    return [read, fs.openSync(name, O_WRONLY)];
}

export class Peer {
    lines = [];
    messages = [];
    stderr = '';
    #waiting = new Set();

    /** `sockets`: as under `attach`; Node gives its children sockets, the worker gives pipes. */
    constructor(t, { program = [process.execPath, fixture], hello = {}, settings = {}, sayHello = true, sockets = false } = {}) {
        this.folder = temporaryFolder(t, () => this.#end());
        const { PATH, HOME } = process.env;
        const pipes = sockets ? [] : ['stdin', 'stdout', 'stderr'].map((name) => makePipe(`${this.folder}/${name}`));
        const ends = pipes.map(([read, write], index) => (index === 0 ? read : write));
        this.child = spawn(program[0], program.slice(1), { stdio: sockets ? 'pipe' : ends, detached: true, cwd: this.folder,
            env: { PATH, HOME, EMPROPS_CONNECTOR: '1', EMPROPS_INSTANCE: 'node/0/1' } });
        ends.forEach((fd) => fs.closeSync(fd));
        this.stdin = sockets ? this.child.stdin : new net.Socket({ fd: pipes[0][1], readable: false, writable: true });
        this.stdout = sockets ? this.child.stdout : new net.Socket({ fd: pipes[1][0], readable: true, writable: false });
        const errors = sockets ? this.child.stderr : new net.Socket({ fd: pipes[2][0], readable: true, writable: false });
        let rest = '';
        this.stdout.setEncoding('utf8').on('data', (text) => {
            const lines = (rest + text).split('\n');
            rest = lines.pop();
            this.lines.push(...lines);
            this.messages.push(...lines.map((line) => JSON.parse(line)));
            this.#wake();
        });
        errors.setEncoding('utf8').on('data', (text) => {
            this.stderr += text;
            this.#wake();
        });
        this.stdin.on('error', () => {});
        const closed = (stream) => new Promise((resolve) => stream.on('close', resolve));
        const exit = new Promise((resolve) => this.child.on('exit', (code, signal) => resolve(signal ?? code)));
        this.ended = Promise.all([exit, closed(this.stdout), closed(errors)]).then(([end]) => {
            assert.strictEqual(rest, '', 'the last line ends');
            return end;
        });
        if (!sayHello) return;
        this.send({ type: 'hello', protocol_versions: [1], worker_id: 'w', connector: 'c', instance: 0,
            max_line_bytes: 25165824, work_dir: this.folder, heartbeat: { interval_ms: 0, missed: 3 },
            prepare_timeout_ms: 0, files: { stores: ['inline'], max_files: 10, released: 1 }, settings, ...hello });
    }

    async #end() {
        try {
            process.kill(-this.child.pid, 'SIGKILL');
        } catch {
            // It has ended.
        }
        await this.ended;
        if (this.lines.length > 0) checkMessages(this.lines);
    }
    #wake() {
        this.#waiting.forEach((look) => look());
    }
    write(bytes) {
        this.stdin.write(bytes);
    }
    send(message) {
        this.write(`${JSON.stringify(message)}\n`);
    }
    job(id, payload = {}, more = {}) {
        this.write(`{"type":"job",${JSON.stringify({ job_id: id, job_type: 't', priority: 0, attempt: 1, resume: false,
            work_dir: this.folder, ...more }).slice(1, -1)},"payload":${typeof payload === 'string' ? payload
            : JSON.stringify(payload)}}\n`);
    }
    closeStdin() {
        this.stdin.end();
    }
    /** The count-th message of a type (of a job). */
    async next(type, jobId, count = 1) {
        const found = () => this.messages.filter((each) => each.type === type && (jobId === undefined || each.job_id === jobId));
        await this.until(() => found().length >= count, `${type} ${jobId ?? ''}`);
        return found()[count - 1];
    }
    until(condition, what) {
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`${what} did not come; there were ${this.lines.join('\n')}\n` +
                this.stderr)), deadline);
            const look = () => {
                if (!condition()) return;
                clearTimeout(timer);
                this.#waiting.delete(look);
                resolve();
            };
            this.#waiting.add(look);
            look();
        });
    }
    /** The end of a job: its result, or the error of its failure. */
    async end(jobId) {
        const ends = () => this.messages.filter((each) => ['result', 'failed'].includes(each.type) && each.job_id === jobId);
        await this.until(() => ends().length > 0, `the end of ${jobId}`);
        return ends()[0].result ?? ends()[0].error;
    }
}
