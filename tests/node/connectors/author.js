// A connector that does what its payload says: each of the things that authors do to a process.
import { JobFailure, RawResult, runConnector } from '../../../connector-sdk/node/index.js';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';

let strayIsDue = false;
const acts = {
    echo: (job) => ({ payload: job.payload }),
    raw: (job) => new RawResult(`{"payload":\n${job.payloadText}}`),
    forget: () => undefined,
    nan: () => ({ images: [{ size: 1 }, { size: NaN }] }),
    throw: () => {
        throw new TypeError('not a function of mine');
    },
    refuse: () => {
        throw new JobFailure('author.no', 'I will not', { retryable: false, details: { big: 1n } });
    },
    late_throw: () => new Promise(() => setTimeout(() => {
        throw new Error('thrown in a timer');
    }, 1)),
    rejection: () => new Promise(() => {
        Promise.reject(new Error('rejected by nobody'));
    }),
    foreign_throw: () => new Promise(() => {
        strayIsDue = true;
    }),
    member: (job) => ({ width: job.members.integer('width') }),
    print: () => {
        console.log('printed');
        process.stdout.write('without a line break');
        fs.writeSync(1, 'to the descriptor');
        return {};
    },
    child: () => {
        // The worst that an author can do: all three inherited, in each way of starting.
        const stdin = spawnSync('sh', ['-c', 'cat; echo child prints'], { stdio: 'inherit' });
        execFileSync('sh', ['-c', 'echo another prints; readlink /proc/self/fd/0 >&2'], { stdio: 'inherit' });
        spawn('sh', ['-c', 'echo a third prints'], { stdio: 'inherit' });
        const { stdout } = spawnSync('sh', ['-c', 'ls -l /proc/self/fd; grep SigIgn /proc/self/status'], { encoding: 'utf8' });
        return { status: stdin.status, stdout };
    },
    block: (job, context) => {
        const end = performance.now() + 60000;
        while (performance.now() < end) if (!job.payload.deaf && context.cancelled()) return {};
        return {};
    },
    wait: async (job, context) => {
        context.progress(1, 'waits');
        await context.waitCancelled(60000);
        return {};
    },
    ignore: () => new Promise(() => {}),
    exit: (job, context) => {
        context.progress(50, 'x'.repeat(200000));
        context.log('info', 'y'.repeat(150000));
        process.exit(3);
    },
    flood: (job, context) => {
        for (let i = 0; i <= 10000; ++i) context.progress(i / 100, `step ${i}`);
        return {};
    },
    hostile: (job, context) => {
        const text = '\u0000\u2028"\\ \ud800 half \udfff 😀\n';
        const cycle = { text, big: 1n, nan: NaN, map: new Map([['a', 1]]), f() {}, undefined };
        cycle.self = cycle;
        context.progress(Infinity, text, text, cycle);
        context.progress(-5, 'x'.repeat(1 << 20), '', { large: 'x'.repeat(1 << 20) });
        context.log('shout', text, cycle);
        context.log('info', 'large', { large: 'x'.repeat(1 << 20) });
        context.serviceRequest(text, text, cycle);
        context.accepted();
        throw new JobFailure(text, text, { details: cycle });
    },
    left_timer: () => {
        setTimeout(() => {
            throw new Error('the lazy client broke');
        }, 100);
        return {};
    },
    left_promise: () => {
        setTimeout(() => Promise.reject(new Error('left behind')), 1);
        return {};
    },
    large_failure: () => {
        throw new JobFailure('author.no', '\u0001'.repeat(100000), { details: { text: '語'.repeat(30000) } });
    },
    large_log: (job, context) => {
        context.log('WARNING', '\u0001'.repeat(100000));
        context.log('fatal', Object.create(null));
        return {};
    },
    deaf_callbacks: async (job, context) => {
        context.onCancel(() => {
            throw new Error('thrown in onCancel');
        });
        context.onCancel(async () => {
            throw new Error('rejected in onCancel');
        });
        context.signal.addEventListener('abort', () => setTimeout(() => {
            throw new Error('thrown later');
        }));
        context.progress(1, 'waits');
        return new Promise(() => {});
    },
    program: async (job, context) => {
        const { argv, ...options } = job.payload;
        return context.runProgram(argv, options);
    },
    file: (job, context) => {
        fs.writeFileSync(`${job.workDir}/a.txt`, 'hello');
        context.release();
        return { file: context.addFile('a.txt', { mimeType: 'text/plain', more: { x_mine: 1 } }) };
    },
    turn: async (job, context) => ({ turn: await context.waitTurn() }),
};

await runConnector({
    name: 'author',
    jobTypes: ['t'],
    concurrency: 3,
    features: { prepare: true, status: true },
    async initialize(settings, context) {
        if (settings.members.string('fail', '') === 'configuration') settings.members.integer('fail');
        if (settings.members.string('fail', '') === 'timer') await acts.late_throw();
        if (settings.members.string('fail', '') !== '') throw new Error('the service is away', { cause: new Error('ECONNREFUSED') });
        context.preparing(50, 'half');
        context.setStatus(true);
        setInterval(() => {
            if (strayIsDue) throw new Error('the connection broke');
        }, 1);
        console.log('printed in initialize');
    },
    processJob: (job, context) => acts[job.payload.act ?? 'echo'](job, context),
    shutdown() {
        console.log('shutdown was called');
    },
});
