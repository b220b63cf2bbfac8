// A complete connector: it sends each job's payload back. Name it in emprops-worker.toml and it serves jobs of type "echo":
//     [connectors.echo]
//     command = ["node", "/path/to/echo.js"]
import { ConfigurationError, JobFailure, runConnector } from 'emprops-connector';
import { realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

export class Echo {
    name = 'echo';
    version = '1.0.0';
    jobTypes = ['echo'];
    concurrency = 4;

    initialize(settings, context) {
        this.delay = settings.members.integer('delay_ms', 0);  // [connectors.echo.settings] delay_ms
        if (this.delay < 0) throw new ConfigurationError('delay_ms must not be negative');
        context.log('info', 'ready to echo', { delay_ms: this.delay });
    }

    async processJob(job, context) {
        const times = job.members.integer('times', 1, { within: [1, 100] });
        for (let done = 0; done < times; ++done) {
            context.progress((100 * done) / times, `echo ${done + 1} of ${times}`);
            if (await context.waitCancelled(this.delay)) throw new JobFailure('cancelled', context.cancelReason());
        }
        return { status: 'success', output: job.payload };
    }
}

// Started as a program, also over a link, and not imported by a test.
if (import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) await runConnector(new Echo());
