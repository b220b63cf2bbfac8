// The door: a connector, the descriptors of stdio_guard.js, a reader thread and a session.
import fs from 'node:fs';
import { Worker } from 'node:worker_threads';
import { asked } from './asked.js';
import { answerByHand, checkedSettings, nameOfProgram } from './by_hand.js';
import { Outgoing } from './outgoing.js';
import { Session } from './session.js';
import { protocolDescriptors } from './stdio_guard.js';

function firstLine(fd) {
    const parts = [];
    const buffer = Buffer.alloc(65536);
    for (;;) {
        let bytes;
        try {
            bytes = fs.readSync(fd, buffer);
        } catch (error) {
            if (error.code !== 'EAGAIN') throw error;
            Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
            continue;
        }
        parts.push(Buffer.from(buffer.subarray(0, bytes)));
        if (bytes === 0 || buffer.subarray(0, bytes).includes(10)) return Buffer.concat(parts).toString('utf8').split('\n')[0];
    }
}

/** Speaks the protocol until the supervisor ends it; then the process exits. */
export async function runConnector(connector) {
    const args = process.argv.slice(2);
    const name = await asked(connector, 'name', '') || nameOfProgram(process.argv[1]);
    const stdio = protocolDescriptors();
    const lock = new Int32Array(new SharedArrayBuffer(8));
    const outgoing = new Outgoing(stdio?.output ?? 1, lock);
    if (args.includes('--check-settings')) {
        outgoing.write(await checkedSettings(connector, firstLine(stdio?.input ?? 0)));
        process.exit(0);
    }
    const version = await asked(connector, 'version', '');
    const byHand = answerByHand({ name, version, program: process.argv[1], args, fromWorker: stdio !== null });
    if (byHand) {
        const fd = byHand.error ? 2 : (stdio?.output ?? 1);
        fs.writeSync(fd, byHand.text);
        process.exit(byHand.code);
    }
    const reader = new Worker(new URL('./io_thread.js', import.meta.url), { workerData: { ...stdio, lock, name },
        execArgv: [] });
    const session = new Session(connector, name, {
        write: (text) => outgoing.write(text),
        left: (code) => process.exit(code),
        deadline: (milliseconds) => reader.postMessage({ deadline: milliseconds }),
        jobEnded: (flag) => reader.postMessage({ ended: flag[1] }),
    });
    outgoing.onBroken = () => session.writeFailed();
    reader.on('message', ({ ended, message, payloadText, flag }) => {
        if (ended) session.inputEnded();
        else session.receive(message, payloadText, flag);
    });
    reader.on('error', (error) => {
        process.stderr.write(`${name} ends: its reader failed: ${error.stack}\n`);
        process.exit(70);
    });
    process.on('SIGTERM', () => session.terminate());
    process.on('uncaughtException', (error) => session.uncaught(error));
    process.on('unhandledRejection', (error) => session.uncaught(error, { rejected: true }));
    return new Promise(() => {});  // the process ends by itself
}
