// The real worker with its embedded hub, and a connector of this SDK: jobs, prints, children, a failure.
import assert from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import test from 'node:test';
import { fixture, temporaryFolder } from './support.js';

const worker = `${process.env.EMPROPS_BIN_DIR}/emprops-worker`;

/** Below the ports that connections get, and at random: a program beside us does not come upon it before the worker does
 * (tests/support/free_ports.h). */
async function freePort() {
    const first = Number(fs.readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
    for (;;) {
        const port = 10000 + Math.floor(Math.random() * (first - 10000));
        const free = await new Promise((resolve) => {
            const server = net.createServer().on('error', () => resolve(false));
            server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
        });
        if (free) return port;
    }
}

async function started(t) {
    let end;
    const folder = temporaryFolder(t, () => end?.());
    const env = { PATH: process.env.PATH, HOME: folder };
    fs.writeFileSync(`${folder}/emprops-worker.toml`, `
[worker]
state_dir = "${folder}/state"
[hub]
embedded = true
port = ${await freePort()}
[connectors.author]
command = ["${process.execPath}", "${fixture}"]
`);
    const child = spawn(worker, ['run'], { cwd: folder, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    const ready = new Promise((resolve) => child.stderr.setEncoding('utf8').on('data', (text) => {
        log += text;
        if (log.includes('author: ready')) resolve(true);
    }));
    const ended = new Promise((resolve) => child.on('exit', (code) => resolve(code)));
    end = async () => {
        child.kill('SIGTERM');
        assert.strictEqual(await ended, 0, log);
    };
    assert.strictEqual(await Promise.race([ready, ended]), true, log);
    const cli = (...args) => {
        const { status, stdout, stderr } = spawnSync(worker, args, { cwd: folder, env, encoding: 'utf8' });
        return { status, text: stdout + stderr };
    };
    return { cli, log: () => log };
}

test('jobs through the worker', async (t) => {
    const { cli, log } = await started(t);
    const submit = (payload, ...more) => cli('submit', '--type', 't', '--payload', JSON.stringify(payload), '--wait', ...more);
    const echo = submit({ act: 'print' });
    assert.strictEqual(echo.status, 0, echo.text + log());
    assert.match(cli('logs', 'author').text, /\| .*printed/);
    assert.match(submit({ act: 'nan' }).text, /result\.images\[1\]\.size is NaN/);
    assert.match(submit({ act: 'child' }).text, /SigIgn/);
});
