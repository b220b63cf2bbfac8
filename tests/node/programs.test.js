// Programs that a job starts: bounded, without our stdin, and gone with the job.
import assert from 'node:assert';
import fs from 'node:fs';
import test from 'node:test';
import { runProgram } from '../../connector-sdk/node/index.js';
import { eventually, gone, Peer } from './support.js';

test('output, input, exit codes and signals', async () => {
    assert.deepStrictEqual(await runProgram(['sh', '-c', 'cat; echo err >&2'], { input: 'ä😀' }),
        { exitCode: 0, stdout: 'ä😀', stderr: 'err\n', truncated: false });
    assert.strictEqual((await runProgram(['cat'])).stdout, '', 'stdin is /dev/null');
    await assert.rejects(runProgram(['sh', '-c', 'echo first >&2; echo last >&2; exit 3']),
        { code: 'internal', message: '`sh` ended with exit code 3; its last line on stderr: last' });
    assert.strictEqual((await runProgram(['sh', '-c', 'kill -9 $$'], { check: false })).exitCode, -9);
    await assert.rejects(runProgram(['/nope/prog']), { code: 'internal', message: /^cannot start `\/nope\/prog`: .*ENOENT/ });
    await assert.rejects(runProgram(['sh\0']), { code: 'internal', message: /^cannot start/ });
    const lines = [];
    await runProgram(['sh', '-c', 'printf "1\\r2\\r\\n3"'], { onLine: (line) => lines.push(line) });
    assert.deepStrictEqual(lines, ['1', '2', '3']);
    await assert.rejects(runProgram(['sh', '-c', 'echo x; sleep 60'], { onLine: () => { throw new Error('mine'); } }), /mine/);
});

test('a line without an end is cut, and does not hold what comes after it', async () => {
    const lines = [];
    await runProgram(['sh', '-c', 'head -c 9000000 /dev/zero | tr "\\0" x; printf "end\\nnext\\n"'],
        { maxOutput: 1001, onLine: (line) => lines.push(line) });
    assert.deepStrictEqual(lines, [`${'x'.repeat(998)}end`, 'next']);
});

test('of a flood the newest is kept', async () => {
    const { stdout, truncated } = await runProgram(['sh', '-c', 'yes ä | head -c 4999998; echo end'], { maxOutput: 1001 });
    assert.ok(truncated && Buffer.byteLength(stdout) <= 1001 && stdout.endsWith('ä\nend\n') && !stdout.includes('\ufffd'));
});

const deaf = ['sh', '-c', 'trap "" TERM; sleep 600 & echo $!; echo $$; while :; do wait; done'];

test('a time limit ends the whole group, deaf ones too', async () => {
    // Longer and longer, until the program has had the time to say its numbers.
    let pids = [];
    for (let timeoutMs = 250; pids.length < 2; timeoutMs *= 2) {
        pids = [];
        await assert.rejects(runProgram(deaf, { timeoutMs, onLine: (line) => pids.push(Number(line)) }), { code: 'timeout' });
    }
    for (const pid of pids) await gone(pid);
});

test('a cancel ends the whole group, deaf ones too', async () => {
    const pids = [];
    const controller = new AbortController();
    const onLine = (line) => pids.push(Number(line)) === 2 && controller.abort(new Error('enough'));
    await assert.rejects(runProgram(deaf, { signal: controller.signal, onLine }), /enough/);
    for (const pid of pids) await gone(pid);
});

test('what a program leaves behind in its group ends with it, and does not hold the job', async () => {
    const { stdout } = await runProgram(['sh', '-c', 'sleep 600 & echo $!']);
    await gone(Number(stdout));
});

test('a cancel of the job ends its program, and so does the end of the process', async (t) => {
    const peer = new Peer(t);
    await peer.next('ready');
    for (const id of ['1', '2'])
        peer.job(id, { act: 'program', argv: ['sh', '-c', `echo $$ > ${peer.folder}/pid${id}; exec sleep 600`] });
    const pid = async (id) => {
        const file = `${peer.folder}/pid${id}`;
        await eventually(() => fs.existsSync(file) && fs.readFileSync(file, 'utf8') !== '', `the program of job ${id} runs`);
        return Number(fs.readFileSync(file, 'utf8'));
    };
    const first = await pid('1');
    const second = await pid('2');
    peer.send({ type: 'cancel', job_id: '1', reason: 'r' });
    assert.strictEqual((await peer.end('1')).code, 'cancelled');
    await gone(first);
    peer.job('3', { act: 'exit' });
    assert.strictEqual(await peer.ended, 3);
    await gone(second);
});
