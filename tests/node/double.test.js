// The supervisor in memory of emprops-connector/testing, the README's examples, and the declarations.
import assert from 'node:assert';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import * as testing from '../../connector-sdk/node/testing.js';
import { checkMessages, Peer, sdk, temporaryFolder } from './support.js';

/** A folder in which the SDK is installed as a package. */
function project(t) {
    const folder = temporaryFolder(t);
    fs.mkdirSync(`${folder}/node_modules`);
    fs.symlinkSync(sdk, `${folder}/node_modules/emprops-connector`);
    fs.writeFileSync(`${folder}/package.json`, '{"type":"module"}');
    return folder;
}

test('files of a job can be read, and one that is not there fails it as the worker would', async () => {
    const paint = (write) => ({
        processJob(job, context) {
            if (write) fs.writeFileSync(`${job.workDir}/a.txt`, 'hello');
            return { status: 'success', file: context.addFile('a.txt') };
        },
    });
    const good = await testing.run(paint(true));
    assert.deepStrictEqual(good.result, { status: 'success', file: { $file: 0 } });
    assert.strictEqual(good.read(0).toString(), 'hello');
    const bad = await testing.run(paint(false));
    assert.strictEqual(bad.result, undefined);
    assert.match(bad.error.message, /files\[0\]\.path: ENOENT/);
    const old = await testing.run(paint(true), {}, { hello: { files: null } });
    assert.strictEqual(old.error.code, 'unsupported');
});

test('several jobs at a time, a refusal, status, metrics, and how it ends', async () => {
    const left = [];
    const supervisor = new testing.Supervisor({
        jobTypes: () => ['a'], concurrency: 1, capabilities: { gpu: 'A5000' },
        initialize(settings, context) {
            assert.strictEqual(settings.members.string('model'), 'x4');
            context.setStatus(false);
            context.setStatus(false);
            this.context = context;
        },
        async processJob(job, context) {
            await this.context.updateCapabilities({ n: 1 });
            this.context.restartService('it hangs');
            return { stopped: await context.waitCancelled(60000) };
        },
        shutdown: () => left.push('shutdown'),
    }, { settings: { model: 'x4' } });
    assert.deepStrictEqual((await supervisor.start()).capabilities, { gpu: 'A5000' });
    supervisor.give({}, { jobId: 'first' });
    supervisor.give({}, { jobId: 'second' });
    assert.strictEqual((await supervisor.outcome('second')).error.code, 'not_started');
    await supervisor.wait('restart_service');
    assert.strictEqual(await supervisor.stop(), 0);
    assert.strictEqual((await supervisor.outcome('first')).error.code, 'drained');
    assert.strictEqual(supervisor.messages.filter((each) => each.type === 'status').length, 1);
    assert.deepStrictEqual(left, ['shutdown']);
    checkMessages(supervisor.lines);
});

test('preparing and metrics: only what the protocol allows, and to a worker that knows them', async () => {
    let context;
    const connector = {
        initialize(settings, given) {
            context = given;
            context.preparing(150, 'loading');
            context.metrics({ gauges: { early: 1 } });
        },
        processJob() {
            context.preparing(1, 'late');
            context.metrics();
            context.metrics({ counters: null, gauges: [1] });
            const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`n${index}`, index]));
            context.metrics({ counters: many, gauges: many });
            context.metrics({ counters: { done_total: 1, Bad: 1, less: -1 }, gauges: { heat: -3.5, none: NaN, text: 'x' } });
            return { status: 'success' };
        },
    };
    const said = async (hello) => (await testing.run(connector, {}, { hello })).messages
        .filter((each) => ['preparing', 'metrics'].includes(each.type));
    const [first, none, wrong, many, last] = await said({});
    assert.deepStrictEqual([none, wrong], Array(2).fill({ type: 'metrics', counters: {}, gauges: {} }));
    assert.deepStrictEqual([many.counters, many.gauges].map((each) => Object.keys(each).length), [40, 10]);
    assert.deepStrictEqual([first, last], [{ type: 'preparing', progress: 100, message: 'loading' },
        { type: 'metrics', counters: { done_total: 1 }, gauges: { heat: -3.5 } }]);
    assert.deepStrictEqual(await said({ prepare_timeout_ms: null }), []);
});

test('a callback for a cancel is called for a cancel only', async () => {
    const called = [];
    const connector = (wait) => ({
        async processJob(job, context) {
            context.onCancel(() => called.push('first'));
            if (wait) await context.waitCancelled(60000);
            if (wait) context.onCancel(() => called.push('late'));
            return {};
        },
    });
    await testing.run(connector(false));
    assert.deepStrictEqual(called, []);
    await testing.run(connector(true), {}, { cancelAt: 'accepted' });
    assert.deepStrictEqual(called, ['first', 'late']);
});

test('what the object says of itself in a wrong kind is refused with words', async () => {
    const processJob = () => ({});
    for (const [wrong, message] of [[{ jobTypes: 'echo' }, /^jobTypes of the connector must be a list of texts, but is "echo" \(a text\)/],
        [{ jobTypes: () => 5 }, /a list of texts, but is 5/], [{ jobTypes: ['a', 7] }, /^jobTypes\[1\] .* but is 7 \(a number\)/],
        [{ features: ['status'] }, /^features .* an object, but is a list/], [{ capabilities: 'gpu' }, /^capabilities .* an object/],
        [{ concurrency: '4' }, /^concurrency .* a whole number, but is "4"/], [{ concurrency: NaN }, /a whole number/],
        [{ processJob: undefined }, /^processJob .* a function, but is undefined/]])
        await assert.rejects(testing.run({ processJob, ...wrong }), { message });
    const { messages } = await testing.run({ processJob, jobTypes: new Set(['a']), concurrency: 0, features: null });
    assert.deepStrictEqual([messages[0].job_types, messages[0].concurrency], [['a'], 1]);
});

test('the reason of a failed test is told, and many supervisors are no leak', async () => {
    const hangs = { processJob: () => new Promise(() => {}) };
    await assert.rejects(testing.run(hangs, {}, { timeoutMs: 50 }), /no result or failed; there were ready, accepted/);
    const before = process.listenerCount('exit');
    for (let i = 0; i < 3; ++i) new testing.Supervisor(hangs);
    assert.strictEqual(process.listenerCount('exit'), before);
});

test('a connector that cannot start says why', async () => {
    const wrong = { initialize: (settings) => settings.members.string('key'), processJob: () => ({}) };
    await assert.rejects(testing.run(wrong), { message: 'the settings must have "key", a text' });
});

test('the README shows the examples as they are, and they run', async (t) => {
    const readme = fs.readFileSync(`${sdk}README.md`, 'utf8');
    for (const name of ['echo.js', 'picture.js', 'echo.test.js'])
        assert.ok(readme.includes(`\`\`\`js\n${fs.readFileSync(`${sdk}examples/${name}`, 'utf8')}\`\`\``), name);
    const folder = project(t);
    fs.cpSync(`${sdk}examples`, `${folder}/examples`, { recursive: true });
    const tests = spawnSync(process.execPath, ['--test', 'examples/echo.test.js'], { cwd: folder, encoding: 'utf8',
        env: { ...process.env, NODE_TEST_CONTEXT: '' } });
    assert.strictEqual(tests.status, 0, tests.stdout);
    fs.symlinkSync('examples', `${folder}/current`);
    const echo = new Peer(t, { program: [process.execPath, `${folder}/current/echo.js`] });
    await echo.next('ready');
    echo.job('1', { times: 2 });
    assert.deepStrictEqual(await echo.end('1'), { status: 'success', output: { times: 2 } });
    const painter = new Peer(t, { program: [process.execPath, `${folder}/examples/picture.js`] });
    await painter.next('ready');
    painter.job('1', { colour: 'blue' });
    assert.deepStrictEqual(await painter.end('1'), { status: 'success', picture: { $file: 0 } });
});

test('the declarations: what is right compiles, each mistake is refused', (t) => {
    const folder = project(t);
    const compile = (name) => {
        fs.copyFileSync(fileURLToPath(new URL(`types/${name}`, import.meta.url)), `${folder}/${name}`);
        const { stdout, error } = spawnSync('tsc', ['--strict', '--noEmit', '--target', 'es2022', '--module', 'node16',
            '--lib', 'es2022,dom', '--pretty', 'false', name], { cwd: folder, encoding: 'utf8' });
        assert.strictEqual(error, undefined, 'tsc (node-typescript) is installed');
        return stdout;
    };
    assert.strictEqual(compile('right.mts'), '');
    const found = compile('wrong.mts');
    const lines = fs.readFileSync(`${folder}/wrong.mts`, 'utf8').split('\n');
    const expected = lines.flatMap((line, index) => (line.includes('// wrong:') ? [index + 2] : []));
    const refused = [...found.matchAll(/^wrong\.mts\((\d+),/gm)].map((match) => Number(match[1]));
    assert.deepStrictEqual(refused, expected, found);
});
