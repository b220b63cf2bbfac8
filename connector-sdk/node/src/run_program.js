// Programs that a job starts: in a session and process group of their own, without our stdin and stdout, bounded in
// what is kept of their output, ended as a group by a cancel, a time limit, or the end of this process.
import { spawn } from 'node:child_process';
import os from 'node:os';
import { JobFailure } from './errors.js';
import { shortened } from './json_values.js';

const grace = 2000;  // between SIGTERM and SIGKILL
const readAfterExit = 1000;
const groups = new Set();

process.on('exit', () => groups.forEach((pid) => killGroup(pid, 'SIGKILL')));

function killGroup(pid, signal) {
    try {
        process.kill(-pid, signal);
    } catch {
        // None of the group is left.
    }
}

/** The newest `limit` bytes of a stream, and its lines. */
class Kept {
    constructor(limit, onLine) {
        this.limit = limit;
        this.onLine = onLine;
        this.parts = [];
        this.bytes = 0;
        this.truncated = false;
        this.line = Buffer.alloc(0);
    }

    add(chunk) {
        this.parts.push(chunk);
        this.bytes += chunk.length;
        while (this.bytes > this.limit && this.bytes - this.parts[0].length >= this.limit) {
            this.bytes -= this.parts.shift().length;
            this.truncated = true;
        }
        if (this.onLine) this.addLines(chunk);
    }

    addLines(chunk) {
        let rest = this.line.length > 0 ? Buffer.concat([this.line, chunk]) : chunk;
        for (let end = rest.findIndex(isBreak); end >= 0; end = rest.findIndex(isBreak)) {
            if (end > 0) this.onLine(rest.subarray(0, end).toString('utf8'));
            rest = rest.subarray(end + 1);
        }
        this.line = rest.length > this.limit ? rest.subarray(rest.length - this.limit) : rest;
    }

    text() {
        if (this.onLine && this.line.length > 0) this.onLine(this.line.toString('utf8'));
        let whole = Buffer.concat(this.parts);
        if (whole.length > this.limit) {
            this.truncated = true;
            whole = whole.subarray(whole.length - this.limit);
            // Not from the middle of a character.
            let begin = 0;
            while (begin < 4 && begin < whole.length && (whole[begin] & 0xc0) === 0x80) ++begin;
            whole = whole.subarray(begin);
        }
        return whole.toString('utf8');
    }
}

function isBreak(byte) {
    return byte === 10 || byte === 13;
}

function lastLine(text) {
    const lines = text.split(/[\r\n]/).filter((each) => each.trim() !== '');
    return lines.length > 0 ? shortened(lines[lines.length - 1], 1000) : '';
}

/** See index.d.ts. */
export async function runProgram(argv, options = {}) {
    const { signal, input, cwd, env = process.env, timeoutMs, maxOutput = 1 << 20, check = true, onLine } = options;
    const name = shortened(argv[0], 200);
    signal?.throwIfAborted();
    const variables = { ...env };
    // By it the worker finds what is left behind.
    if (process.env.EMPROPS_INSTANCE) variables.EMPROPS_INSTANCE = process.env.EMPROPS_INSTANCE;
    const stdout = new Kept(maxOutput, onLine);
    const stderr = new Kept(maxOutput, onLine);
    const ended = await runToEnd();
    const result = { exitCode: ended.code, stdout: stdout.text(), stderr: stderr.text() };
    result.truncated = stdout.truncated || stderr.truncated;
    if (ended.callbackError) throw ended.callbackError;
    if (ended.why === 'cancelled') throw signal.reason;
    if (ended.why === 'timeout') throw new JobFailure('timeout', `\`${name}\` did not end within ${timeoutMs} ms`);
    if (check && ended.code !== 0) {
        const how = ended.code > 0 ? `exit code ${ended.code}` : ended.signal;
        const last = lastLine(result.stderr);
        throw new JobFailure('internal', `\`${name}\` ended with ${how}${last ? `; its last line on stderr: ${last}` : ''}`);
    }
    return result;

    function runToEnd() {
        return new Promise((resolve, reject) => {
            let child;
            try {
                child = spawn(argv[0], argv.slice(1), { cwd, env: variables, detached: true,
                    stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
            } catch (error) {
                reject(new JobFailure('internal', `cannot start \`${name}\`: ${error.message}`));
                return;
            }
            let why = null;
            let callbackError = null;
            let killTimer;
            let exit = null;
            let lastTimer;
            const stop = (reason) => {
                why ??= reason;
                killGroup(child.pid, 'SIGTERM');
                killTimer ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), grace);
            };
            const onAbort = () => stop('cancelled');
            const timer = timeoutMs === undefined ? undefined : setTimeout(() => stop('timeout'), timeoutMs);
            const finish = () => {
                clearTimeout(lastTimer);
                child.stdout.destroy();
                child.stderr.destroy();
                resolve({ ...exit, why, callbackError });
            };
            const take = (kept) => (chunk) => {
                try {
                    kept.add(chunk);
                } catch (error) {  // of onLine: it is the job's
                    callbackError ??= error;
                    stop('callback');
                }
            };
            child.on('error', (error) => {
                if (child.pid !== undefined) return;
                clearTimeout(timer);
                signal?.removeEventListener('abort', onAbort);
                reject(new JobFailure('internal', `cannot start \`${name}\`: ${error.message}`));
            });
            if (child.pid === undefined) return;
            groups.add(child.pid);
            signal?.addEventListener('abort', onAbort);
            if (signal?.aborted) onAbort();
            child.stdout.on('data', take(stdout));
            child.stderr.on('data', take(stderr));
            if (input !== undefined) {
                child.stdin.on('error', () => {});  // it need not read all of it
                child.stdin.end(input);
            }
            child.on('exit', (code, ending) => {
                // What it left in its group ends with it; the number is free for others from now on.
                killGroup(child.pid, 'SIGKILL');
                groups.delete(child.pid);
                clearTimeout(timer);
                clearTimeout(killTimer);
                signal?.removeEventListener('abort', onAbort);
                exit = { code: code ?? -signalNumber(ending), signal: ending };
                // A grandchild that left the group may hold a pipe; it does not hold the job.
                lastTimer = setTimeout(finish, readAfterExit);
            });
            child.on('close', () => exit && finish());
        });
    }
}

function signalNumber(name) {
    return os.constants.signals[name] ?? 1;
}
