// Programs that a job starts: in a session and process group of their own, without our stdin and stdout, bounded in
// what is kept of their output, ended as a group by a cancel, a time limit, or the end of this process.
import { spawn } from 'node:child_process';
import os from 'node:os';
import { JobFailure } from './errors.js';
import { shortened } from './json_values.js';
import { after } from './timers.js';

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
        this.line = [];  // the parts of the last line, which has not ended yet
        this.lineBytes = 0;
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
        let rest = chunk;
        for (let end = rest.findIndex(isBreak); end >= 0; end = rest.findIndex(isBreak)) {
            this.addToLine(rest.subarray(0, end));
            rest = rest.subarray(end + 1);
            this.endLine();
        }
        this.addToLine(rest);
    }
    addToLine(bytes) {
        this.line.push(bytes);
        this.lineBytes += bytes.length;
        // Not each time: moving the rest costs as much as the rest.
        if (this.lineBytes > 2 * this.limit + 65536) this.cutLine();
    }
    cutLine() {
        const whole = Buffer.concat(this.line);
        this.line = [whole.subarray(Math.max(0, whole.length - this.limit))];
        this.lineBytes = this.line[0].length;
    }
    endLine() {
        this.cutLine();
        const [whole] = this.line.splice(0);
        this.lineBytes = 0;
        if (whole.length > 0) this.onLine(whole.toString('utf8'));
    }

    text() {
        if (this.onLine) this.endLine();
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

function isThere(value) {
    return value !== null && value !== undefined;
}

function isBreak(byte) {
    return byte === 10 || byte === 13;
}

function lastLine(text) {
    const lines = text.split(/[\r\n]/).filter((each) => each.trim() !== '');
    return lines.length > 0 ? shortened(lines[lines.length - 1], 1000) : '';
}

/** See index.d.ts. `over`: a signal beside the author's own, of the job's end. */
export async function runProgram(argv, options = {}, over = undefined) {
    const { input, cwd, timeoutMs, check = true, onLine } = options;
    const maxOutput = options.maxOutput ?? 1 << 20;
    const signals = [over, options.signal].filter((each) => each);  // AbortSignal.any() is of Node 20
    const name = shortened(argv[0], 200);
    signals.forEach((each) => each.throwIfAborted());
    const variables = { ...(options.env ?? process.env) };
    // By it the worker finds what is left behind.
    if (process.env.EMPROPS_INSTANCE) variables.EMPROPS_INSTANCE = process.env.EMPROPS_INSTANCE;
    const stdout = new Kept(maxOutput, onLine);
    const stderr = new Kept(maxOutput, onLine);
    const ended = await runToEnd();
    const result = { exitCode: ended.code, stdout: stdout.text(), stderr: stderr.text() };
    result.truncated = stdout.truncated || stderr.truncated;
    if (ended.callbackError) throw ended.callbackError;
    if (ended.why === 'cancelled') throw signals.find((each) => each.aborted).reason;
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
                child = spawn(argv[0], argv.slice(1), { cwd: cwd ?? undefined, env: variables, detached: true,
                    stdio: [isThere(input) ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
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
                if (exit) return;  // the number of its group is free for others
                why ??= reason;
                killGroup(child.pid, 'SIGTERM');
                killTimer ??= setTimeout(() => killGroup(child.pid, 'SIGKILL'), grace);
            };
            const onAbort = () => stop('cancelled');
            const timer = after(timeoutMs, () => stop('timeout'));
            const deafen = () => signals.forEach((each) => each.removeEventListener('abort', onAbort));
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
                deafen();
                reject(new JobFailure('internal', `cannot start \`${name}\`: ${error.message}`));
            });
            if (child.pid === undefined) return;
            groups.add(child.pid);
            signals.forEach((each) => each.addEventListener('abort', onAbort));
            if (signals.some((each) => each.aborted)) onAbort();
            child.stdout.on('data', take(stdout));
            child.stderr.on('data', take(stderr));
            if (isThere(input)) {
                child.stdin.on('error', () => {});  // it need not read all of it
                child.stdin.end(input);
            }
            child.on('exit', (code, ending) => {
                // What it left in its group ends with it; the number is free for others from now on.
                killGroup(child.pid, 'SIGKILL');
                groups.delete(child.pid);
                clearTimeout(timer);
                clearTimeout(killTimer);
                deafen();
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
