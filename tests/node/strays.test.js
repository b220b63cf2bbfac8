// What is thrown where nobody catches it, and what a job leaves behind when it ends.
import assert from 'node:assert';
import fs from 'node:fs';
import test from 'node:test';
import { runProgram } from '../../connector-sdk/node/index.js';
import * as testing from '../../connector-sdk/node/testing.js';
import { gone, Peer } from './support.js';

async function ready(t) {
    const peer = new Peer(t);
    await peer.next('ready');
    return peer;
}

test('what a callback for a cancel throws is its own job\'s', async (t) => {
    const peer = await ready(t);
    peer.job('bystander', { act: 'wait' });
    peer.job('1', { act: 'deaf_callbacks' });
    await peer.next('progress', '1');
    peer.send({ type: 'cancel', job_id: '1', reason: 'enough' });
    assert.strictEqual((await peer.end('1')).message, 'the job was cancelled: enough');
    await peer.until(() => peer.stderr.includes('thrown later'), 'what comes last');
    peer.job('2', { act: 'echo' });
    await peer.end('2');
    peer.send({ type: 'cancel', job_id: 'bystander', reason: '' });
    assert.strictEqual((await peer.end('bystander')).code, 'cancelled');
    peer.closeStdin();
    assert.strictEqual(await peer.ended, 0, peer.stderr);
});

test('what belongs to no job fails all of them and ends the process with 70', async (t) => {
    const peer = await ready(t);
    peer.job('bystander', { act: 'wait' });
    await peer.next('progress', 'bystander');
    peer.job('1', { act: 'foreign_throw' });
    assert.strictEqual((await peer.end('bystander')).message, 'the connection broke');
    assert.strictEqual((await peer.end('1')).message, 'the connection broke');
    assert.strictEqual(await peer.ended, 70);
});

test('an error of what a job has left open is nobody\'s if that ended well; a promise that it left concerns nobody', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'left_promise' });
    assert.deepStrictEqual(await peer.end('1'), {});
    await peer.until(() => peer.stderr.includes('left behind'), 'the rejection');
    peer.job('bystander', { act: 'wait' });
    await peer.next('progress', 'bystander');
    peer.job('2', { act: 'left_timer' });
    assert.deepStrictEqual(await peer.end('2'), {});
    assert.strictEqual((await peer.end('bystander')).message, 'the lazy client broke');
    assert.strictEqual(await peer.ended, 70);
});

/** A program of a job that is to end while it runs; its number is in the outcome's folder. */
const sleeper = ['sh', '-c', 'echo $$ > pid; exec sleep 600'];
const pidOf = (outcome) => Number(fs.readFileSync(`${outcome.workDir}/pid`, 'utf8'));
const started = async (job) => {
    while (!fs.existsSync(`${job.workDir}/pid`) || fs.readFileSync(`${job.workDir}/pid`, 'utf8') === '')
        await new Promise(setImmediate);
};

test('a program that nobody waits for ends with its job', async () => {
    for (const broken of [false, true]) {
        const outcome = await testing.run({
            async processJob(job, context) {
                context.runProgram(sleeper);
                await started(job);
                if (broken) throw new Error('beside it');
                return {};
            },
        });
        assert.strictEqual(outcome.error?.message, broken ? 'beside it' : undefined);
        await gone(pidOf(outcome));
    }
});

test('a cancel ends a program that has a signal of the author\'s, too, and that signal ends it alone', async () => {
    const own = new AbortController();
    for (const signal of [own.signal, undefined, null]) {
        const cancelled = await testing.run({
            async processJob(job, context) {
                const running = context.runProgram(sleeper, { signal });
                await started(job);
                context.progress(1, 'runs');
                return running;
            },
        }, {}, { cancelAt: 'progress' });
        assert.strictEqual(cancelled.error.code, 'cancelled');
        await gone(pidOf(cancelled));
    }
    const { result } = await testing.run({
        async processJob(job, context) {
            const running = context.runProgram(sleeper, { signal: own.signal });
            await started(job);
            own.abort(new Error('mine'));
            return { why: await running.catch((error) => error.message), cancelled: context.cancelled() };
        },
    });
    assert.deepStrictEqual(result, { why: 'mine', cancelled: false });
});

test('no limit is no limit', async () => {
    for (const timeoutMs of [null, undefined, Infinity, 2 ** 31])
        assert.strictEqual((await runProgram(['sh', '-c', 'sleep 0.1; echo done'], { timeoutMs, input: null, cwd: null,
            maxOutput: null })).stdout, 'done\n');
    for (const wait of [Infinity, 2 ** 40]) {
        const { messages, error } = await testing.run({
            async processJob(job, context) {
                const woken = context.waitCancelled(wait).then((is) => context.log('info', `woken: ${is}`));
                await new Promise((done) => setTimeout(done, 50));
                context.progress(1, 'waits');
                await woken;
                return {};
            },
        }, {}, { cancelAt: 'progress' });
        assert.strictEqual(error.code, 'cancelled');
        assert.deepStrictEqual(messages.map((each) => each.type), ['ready', 'accepted', 'progress', 'log', 'failed']);
    }
});

test('a job that has not been told of a leave is delivered; one that was told is not', async () => {
    const uses = { program: (context) => context.runProgram(['true']), wait: (context) => context.waitCancelled(1),
        callback: () => {} };
    for (const [name, use] of Object.entries(uses)) {
        for (const told of [false, true]) {
            let supervisor;
            supervisor = new testing.Supervisor({
                async processJob(job, context) {
                    await use(context);
                    if (told && name === 'callback') context.onCancel(() => {});
                    supervisor.send({ type: 'shutdown', grace_ms: 20000 });
                    if (told) await Promise.resolve(use(context)).catch(() => {});
                    return { done: 1 };
                },
            });
            await supervisor.start();
            const { result, error } = await supervisor.outcome(supervisor.give());
            assert.strictEqual(error?.code, told ? 'drained' : undefined, name);
            assert.deepStrictEqual(result, told ? undefined : { done: 1 });
            assert.strictEqual(await supervisor.stop(), 0);
        }
    }
});
