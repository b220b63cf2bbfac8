// Must compile with tsc --strict: what a connector in TypeScript uses of the declarations.
import { ConfigurationError, JobFailure, RawResult, runConnector } from 'emprops-connector';
import type { Connector, ConnectorContext, ConnectorSettings, Job, JobContext } from 'emprops-connector';
import * as testing from 'emprops-connector/testing';

interface Result {
    status: string;
    picture: { $file: number };
}

class Painter implements Connector {
    name = 'painter';
    jobTypes = () => ['paint'];
    features = { status: true, files: true };
    private model = '';

    async initialize(settings: ConnectorSettings, context: ConnectorContext): Promise<void> {
        this.model = settings.members.string('model', 'x4');
        if (this.model === '') throw new ConfigurationError('model is empty');
        context.preparing(50, 'loading');
        context.setStatus(true);
        context.metrics({ gauges: { queue_length: 0 } });
    }

    async processJob(job: Job, context: JobContext): Promise<Result | RawResult> {
        const colour: 'red' | 'blue' = job.members.string('colour', 'red', { choices: ['red', 'blue'] as const });
        const size: number = job.members.integer('size', 512, { within: [1, 8192] });
        const seed: number | null = job.members.object('options').integer('seed', null);
        const response = await fetch(`http://127.0.0.1/${colour}/${size}/${seed}`, { signal: context.signal });
        if (!response.ok) throw new JobFailure('service_error', response.statusText, { details: { status: response.status } });
        const { stdout } = await context.runProgram(['identify', 'a.png'], { timeoutMs: 1000, onLine: (line) => context.log('info', line) });
        context.progress(null, stdout);
        if (job.attempt > 1) return new RawResult(job.payloadText);
        return { status: 'success', picture: context.addFile('a.png', { mimeType: 'image/png' }) };
    }
}

export async function test(): Promise<string> {
    const outcome = await testing.run(new Painter(), { colour: 'red' }, { settings: { model: 'x2' }, cancelAt: 'accepted' });
    return outcome.error?.code ?? outcome.read(0).toString('utf8');
}

export const running: Promise<never> = runConnector({ processJob: () => ({ status: 'success' }) });
