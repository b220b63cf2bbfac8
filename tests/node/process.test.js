// A real connector process: what its author does must not disturb the protocol, and it ends whenever it has to.
import assert from 'node:assert';
import test from 'node:test';
import { Peer, sdk } from './support.js';

async function ready(t, options) {
    const peer = new Peer(t, options);
    await peer.next('ready');
    return peer;
}

test('prints and children go to stderr, and children read nothing of ours', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'print' });
    assert.deepStrictEqual(await peer.end('1'), {});
    peer.job('2', { act: 'child' });
    peer.job('3', { act: 'echo', text: 'not eaten' });
    const { status, stdout } = await peer.end('2');
    assert.strictEqual(status, 0);
    assert.doesNotMatch(stdout, new RegExp(`${peer.folder}/std(in|out)`), 'it has no descriptor of ours');
    assert.match(stdout, /SigIgn:\s0+$/m, 'SIGPIPE and all others have their default');
    assert.strictEqual((await peer.end('3')).payload.text, 'not eaten');
    peer.closeStdin();
    assert.strictEqual(await peer.ended, 0);
    for (const text of ['printed in initialize', 'printed\nwithout a line breakto the descriptor', 'child prints',
        'another prints', '/dev/null', 'a third prints', 'shutdown was called'])
        assert.ok(peer.stderr.includes(text), `${text} is in ${peer.stderr}`);
});

test('under a debugger (sockets, which cannot be opened anew) prints go to stderr all the same', async (t) => {
    const peer = await ready(t, { sockets: true });
    peer.write('{"type":"job","job_id":"1","payload":{"act":"echo"}}\n{"type":"job","job_id":"2","payload":{"act":"nan"}}');
    await peer.end('1');
    peer.closeStdin();
    assert.strictEqual((await peer.end('2')).code, 'protocol_error');
    assert.strictEqual(await peer.ended, 0);
    assert.match(peer.stderr, /printed in initialize/);
});

test('exceptions fail their job with their text, and nothing else', async (t) => {
    const peer = await ready(t);
    peer.job('a', { act: 'wait' });
    const said = { throw: /^TypeError: not a function of mine$/, late_throw: /^thrown in a timer$/,
        rejection: /^rejected by nobody$/, forget: /must be an object, but is undefined \(is a `return` missing/,
        nan: /result\.images\[1\]\.size is NaN/, member: /^the payload must have "width", a whole number$/ };
    for (const [act, message] of Object.entries(said)) {
        peer.job(act, { act });
        assert.match((await peer.end(act)).message, message);
    }
    peer.job('w', { act: 'member', width: '50' });
    assert.strictEqual((await peer.end('w')).message, '"width" of the payload must be a whole number, but is "50" (a text)');
    peer.job('n', { act: 'refuse' });
    assert.deepStrictEqual(await peer.end('n'),
        { code: 'author.no', message: 'I will not', retryable: false, details: { big: '1' } });
    peer.send({ type: 'cancel', job_id: 'a', reason: 'enough' });
    assert.deepStrictEqual(await peer.end('a'),
        { code: 'cancelled', message: 'the job was cancelled: enough', retryable: true });
    peer.job('l', { act: 'large_failure' });
    const large = await peer.end('l');
    assert.strictEqual(large.code, 'author.no');
    assert.match(large.message, /^\u0001+\.\.\. \(100000 characters in all\)$/);
    peer.job('k', { act: 'large_log' });
    assert.deepStrictEqual(await peer.end('k'), {});
    assert.deepStrictEqual(peer.messages.filter((each) => each.type === 'log').slice(-2).map((each) => each.level), ['warn', 'error']);
    assert.ok(peer.lines.every((each) => Buffer.byteLength(each) < 256 << 10));
    assert.match(peer.stderr, /author: TypeError: not a function of mine\n +at /, 'with the place');
});

test('a handler that blocks the event loop: pings are answered, a cancel is seen', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'block' });
    await peer.next('accepted', '1');
    peer.write('{"type":"ping","id":18446744073709551615}\n');
    await peer.next('pong');
    assert.ok(peer.lines.includes('{"type":"pong","id":18446744073709551615}'));
    peer.send({ type: 'cancel', job_id: '1', reason: 'r' });
    assert.strictEqual((await peer.end('1')).code, 'cancelled');
});

test('an id that comes again while the end of its first run is on its way is cancelled like any other', async (t) => {
    const peer = await ready(t);
    const job = (payload) => `${JSON.stringify({ type: 'job', job_id: '1', work_dir: peer.folder, payload })}\n`;
    peer.write(job({ act: 'echo' }) + job({ act: 'block' }));
    await peer.next('accepted', '1', 2);
    peer.send({ type: 'cancel', job_id: '1', reason: 'r' });
    assert.strictEqual((await peer.next('failed', '1')).error.code, 'cancelled');
});

test('a handler that blocks and does not look: the process ends all the same', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'block', deaf: true });
    await peer.next('accepted', '1');
    peer.send({ type: 'shutdown', grace_ms: 10 });
    peer.closeStdin();
    assert.strictEqual(await peer.ended, 'SIGKILL');
    assert.match(peer.stderr, /leaves by force: its event loop is blocked/);
});

test('process.exit() in a handler loses nothing that was said', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'exit' });
    assert.strictEqual(await peer.ended, 3);
    assert.strictEqual((await peer.next('log')).message.length, 65536 + '... (150000 characters in all)'.length);
});

test('progress is throttled, its newest is kept', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'flood' });
    await peer.end('1');
    const progress = peer.messages.filter((each) => each.type === 'progress');
    assert.ok(progress.length < 100, `${progress.length}`);
    assert.strictEqual(progress.at(-1).message, 'step 10000');
});

test('hostile text and values make valid messages', async (t) => {
    const peer = await ready(t);
    for (const id of ['../\u0000"\\', '{"type":"result"}', ',"payload":', '\u2028😀', '__proto__', 'x'.repeat(5000)]) {
        peer.job(id, { act: 'echo', __proto__: 1 });
        assert.strictEqual((await peer.end(id)).payload.act, 'echo');
    }
    peer.job('1', { act: 'hostile' });
    assert.strictEqual((await peer.end('1')).message, '\u0000\u2028"\\ \ufffd half \ufffd 😀\n');
});

test('lines are torn anywhere, and numbers stay as they were written', async (t) => {
    const peer = await ready(t);
    const payload = '{"act":"raw","text":"äöü😀\\u00e4","scale":1.10,"seed":18446744073709551615,"e":1E40}';
    const line = Buffer.from(`\ufeff {"type":"job","job_id":"j😀","job_type":"t","payload":${payload}}\r\n\r\n`);
    for (let at = 0; at < line.length; ++at) {
        peer.write(line.subarray(at, at + 1));
        if (at % 3 === 0) await new Promise(setImmediate);
    }
    await peer.end('j😀');
    assert.ok(peer.lines.includes(`{"type":"result","job_id":"j😀","result":{"payload": ${payload}}}`), peer.lines.at(-1));
});

test('a payload of 8 MB comes back', async (t) => {
    const peer = await ready(t);
    const text = 'ä😀'.repeat(1 << 20);
    peer.job('1', { text });
    assert.strictEqual((await peer.end('1')).payload.text, text);
    peer.job('2', { text: 'x'.repeat(26 << 20) });
    assert.strictEqual((await peer.end('2')).code, 'result_too_large');
});

test('slots: n jobs overlap, one more is refused; one may be prepared; a released one takes none', async (t) => {
    const peer = await ready(t, { hello: { concurrency: 1 } });
    assert.strictEqual((await peer.next('ready')).concurrency, 1);
    peer.job('1', { act: 'wait' });
    peer.job('2', { act: 'wait' });
    assert.strictEqual((await peer.end('2')).code, 'not_started');
    peer.job('3', { act: 'turn' }, { prepare: true });
    peer.send({ type: 'cancel', job_id: '1', reason: '' });
    await peer.end('1');
    peer.send({ type: 'begin', job_id: '3' });
    assert.deepStrictEqual(await peer.end('3'), { turn: true });
    peer.job('4', { act: 'file' });
    const result = await peer.next('result', '4');
    assert.deepStrictEqual(result.files, [{ x_mine: 1, path: 'a.txt', mime_type: 'text/plain' }]);
    await peer.next('released', '4');
});

test('drain, shutdown, end of stdin, SIGTERM: running jobs are told, it exits with 0', async (t) => {
    for (const leave of [(peer) => peer.send({ type: 'shutdown', grace_ms: 20000 }), (peer) => peer.closeStdin(),
        (peer) => peer.child.kill('SIGTERM')]) {
        const peer = await ready(t);
        peer.job('1', { act: 'wait' });
        await peer.next('progress', '1');
        peer.send({ type: 'drain' });
        peer.job('2');
        assert.strictEqual((await peer.end('2')).code, 'not_started');
        leave(peer);
        assert.strictEqual((await peer.end('1')).code, 'drained');
        assert.strictEqual(await peer.ended, 0);
    }
});

test('a handler that never returns: exit code 70 at the end of the grace', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'ignore' });
    await peer.next('accepted', '1');
    peer.send({ type: 'shutdown', grace_ms: 10 });
    peer.closeStdin();
    assert.strictEqual(await peer.ended, 70);
    assert.match(peer.stderr, /leaves by force .* still running: 1/);
});

test('the supervisor dies: a broken pipe, or stdin that is at its end from the start', async (t) => {
    const peer = await ready(t);
    peer.job('1', { act: 'wait' });
    await peer.next('progress', '1');
    peer.stdout.destroy();
    peer.send({ type: 'ping', id: 1 });
    peer.job('2', { act: 'flood' });
    assert.strictEqual(await peer.ended, 0);
    const early = new Peer(t, { sayHello: false });
    early.closeStdin();
    assert.strictEqual(await early.ended, 0);
});

test('it cannot start: init_failed with the text, and the exit code says whether to try again', async (t) => {
    const wrong = new Peer(t, { settings: { fail: 'configuration' } });
    assert.strictEqual((await wrong.next('init_failed')).error.message,
        '"fail" of the settings must be a whole number, but is a text');
    assert.strictEqual(await wrong.ended, 78);
    const away = new Peer(t, { settings: { fail: 'service' } });
    assert.strictEqual((await away.next('init_failed')).error.message, 'the service is away: ECONNREFUSED');
    assert.strictEqual(await away.ended, 70);
    const timer = new Peer(t, { settings: { fail: 'timer' } });
    assert.strictEqual((await timer.next('init_failed')).error.message, 'thrown in a timer');
    assert.strictEqual(await timer.ended, 70);
    const foreign = new Peer(t, { hello: { protocol_versions: [2, 3] } });
    assert.match((await foreign.next('init_failed')).error.message, /offers 2, 3/);
    assert.strictEqual(await foreign.ended, 78);
});

test('by hand it says what it is; --version and --check-settings answer on stdout', async (t) => {
    const { spawnSync } = await import('node:child_process');
    const start = (args, input = '') => spawnSync(process.execPath, [`${sdk}examples/echo.js`, ...args],
        { input, encoding: 'utf8', env: { PATH: process.env.PATH } });
    assert.match(start([]).stderr, /^This is "echo", a connector for emprops-worker/);
    assert.strictEqual(start([]).status, 64);
    assert.strictEqual(start(['--version']).stdout, 'echo 1.0.0\n');
    assert.strictEqual(start(['--check-settings'], '{"type":"hello","settings":{}}\n').stdout,
        '{"type":"settings_checked","warnings":[]}\n');
});
