// Takes descriptors 0 and 1 for the protocol, so that no print and no program that is started can disturb it: what is
// left is /dev/null as stdin and stderr as stdout. At import, in the main thread, and only if the worker has started
// this process (EMPROPS_CONNECTOR); a test that imports the SDK keeps its stdout.
//
// Node has no dup(): /proc/self/fd opens the pipes anew. That cannot be done with sockets (a connector under a
// debugger, `attach`) and with another user's pipes (an older worker with `user`); then 0 and 1 stay with the protocol
// and only process.stdout is turned away: a program that inherits stdio would disturb it (runProgram() never does that).
import fs from 'node:fs';
import { isatty } from 'node:tty';
import { isMainThread } from 'node:worker_threads';

const { O_RDONLY, O_WRONLY, O_APPEND, O_NONBLOCK, O_NOCTTY, O_RDWR } = fs.constants;
const key = Symbol.for('emprops-connector.stdio');  // another copy of the SDK finds what this one has taken

function replace(fd, open) {
    fs.closeSync(fd);
    const got = open();
    if (got !== fd) throw new Error(`descriptor ${fd} could not be replaced (got ${got})`);
}

function openNull() {
    return fs.openSync('/dev/null', O_RDWR);
}

function openStderr() {
    try {
        // Without a reader the blocking open would wait for one.
        const probe = fs.openSync('/proc/self/fd/2', O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
        fs.closeSync(probe);
        return fs.openSync('/proc/self/fd/2', O_WRONLY | O_APPEND | O_NOCTTY);
    } catch {
        printToStderr();
        return openNull();
    }
}

function printToStderr() {
    process.stdout.write = process.stderr.write.bind(process.stderr);
}

function take() {
    let input;
    let output;
    try {
        input = fs.openSync('/proc/self/fd/0', O_RDONLY | O_NONBLOCK | O_NOCTTY);
        output = fs.openSync('/proc/self/fd/1', O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY);
    } catch (error) {
        if (input !== undefined) fs.closeSync(input);
        // A pipe that nobody reads any more: the supervisor has gone.
        if (error.code === 'ENXIO' && fs.fstatSync(1).isFIFO()) process.exit(0);
        printToStderr();
        return { input: 0, output: 1, reopened: false };
    }
    replace(0, openNull);
    replace(1, openStderr);
    return { input, output, reopened: true };
}

if (isMainThread && process.env.EMPROPS_CONNECTOR && !globalThis[key]) {
    const terminal = isatty(0);
    globalThis[key] = terminal ? null : take();
    // It is for this process. A program that it starts and that imports the SDK, too, keeps its stdout.
    if (!terminal) delete process.env.EMPROPS_CONNECTOR;
}

/** The protocol's descriptors; null: the worker did not start this process. */
export function protocolDescriptors() {
    return globalThis[key] ?? null;
}
