// The reader, a thread of its own: it answers pings and marks jobs as cancelled while the connector's code computes,
// and ends the process when that does not leave in time because its event loop is blocked.
import fs from 'node:fs';
import net from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { LineFramer } from './line_framer.js';
import { Outgoing } from './outgoing.js';
import { parseLine } from './parse_line.js';
import { after } from './timers.js';

const maxLineBytes = 128 << 20;  // ipc/PROTOCOL.md, Limits
const slack = 2000;  // the connector's own deadline comes first, also where it has to wait for a processor
const goneLimit = 2000;
const { input, output, reopened, lock, name } = workerData;
const outgoing = new Outgoing(output, lock);
const flags = new Map();  // by a number of our own: an id may come again while the end of its last run is on its way
let lastFlag = 0;
let killer = null;

function complain(text) {
    try {
        fs.writeSync(2, `${name}: ${text}\n`);
    } catch {
        // Full (process.stderr has made it non-blocking) or closed: this thread has more to do than to complain.
    }
}

function leaveBy(milliseconds) {
    const by = performance.now() + milliseconds + slack;
    if (killer && killer.by <= by) return;
    clearTimeout(killer?.timer);
    killer = { by, timer: after(milliseconds + slack, () => {
        try {
            complain('leaves by force: its event loop is blocked');
        } finally {
            process.kill(process.pid, 'SIGKILL');  // a thread cannot exit for the process
        }
    }) };
}

/** `cause`: the place in `causes` of job_run.js; the first one counts. Without an id: all jobs. */
function mark(cause, jobId) {
    for (const { id, flag } of flags.values())
        if (jobId === undefined || id === jobId) Atomics.compareExchange(flag, 0, 0, cause);
}

function onLine(text) {
    let parsed;
    try {
        parsed = parseLine(text);
    } catch (error) {
        complain(`a line of the supervisor is not acceptable: ${error.message}`);
        return;
    }
    const { message } = parsed;
    if (message.type === 'ping') {
        outgoing.write(`{"type":"pong","id":${parsed.pingId}}`);
        return;
    }
    let flag = null;
    if (message.type === 'job') {
        flag = new Int32Array(new SharedArrayBuffer(8));
        flag[1] = ++lastFlag;
        flags.set(lastFlag, { id: message.job_id, flag });
    } else if (message.type === 'cancel') {
        mark(1, String(message.job_id));
    } else if (message.type === 'shutdown') {
        mark(3);
        leaveBy(message.grace_ms ?? 0);
    }
    parentPort.postMessage({ message, payloadText: parsed.payloadText, flag });
}

function onOverlong(head, bytes) {
    const problem = `its line has ${bytes} bytes, and a connector takes ${maxLineBytes}`;
    complain(`a line of the supervisor was skipped: ${problem}`);
    const id = /^\{"type":"job","job_id":("(?:[^"\\]|\\.)*")/.exec(head);
    if (id) {
        outgoing.write(`{"type":"failed","job_id":${id[1]},"error":{"code":"invalid_payload","message":` +
            `${JSON.stringify(problem)},"retryable":false}}`);
    }
}

const framer = new LineFramer(maxLineBytes, onLine, onOverlong);

function onEnd() {
    framer.finish();
    mark(2);
    if (!killer) leaveBy(goneLimit);
    parentPort.postMessage({ ended: true });
}

/** What is there already. A pipe without a writer, and a file, end here: epoll would not tell it. */
function readToPause() {
    const buffer = Buffer.alloc(65536);
    for (;;) {
        let bytes;
        try {
            bytes = fs.readSync(input, buffer);
        } catch (error) {
            if (error.code === 'EAGAIN') return false;
            throw error;
        }
        if (bytes === 0) return true;
        framer.feed(buffer.subarray(0, bytes));
    }
}

parentPort.on('message', ({ ended, deadline }) => {
    if (ended !== undefined) flags.delete(ended);
    if (deadline !== undefined) leaveBy(deadline);
});

if (reopened && readToPause()) {
    onEnd();
} else {
    let open = true;
    const end = () => {
        if (open) onEnd();
        open = false;
    };
    const stream = new net.Socket({ fd: input, readable: true, writable: false });
    stream.on('data', (chunk) => framer.feed(chunk));
    stream.on('end', end);
    stream.on('error', end);
    stream.on('close', end);
}
