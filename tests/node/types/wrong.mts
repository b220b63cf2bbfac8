// Each line after "wrong:" must be refused by tsc --strict: types.test.js counts one error for each.
import { JobFailure, runConnector } from 'emprops-connector';
import type { Job, JobContext } from 'emprops-connector';

export async function mistakes(job: Job, context: JobContext): Promise<void> {
    // wrong: a snake_case name
    job.job_id;
    // wrong: the job's members are not to be changed
    job.payload = {};
    // wrong: a text is no number
    const size: number = job.members.string('size');
    // wrong: a percentage as text
    context.progress('50%');
    // wrong: no such level
    context.log('loud', 'text');
    // wrong: null is possible with this fallback
    const seed: number = job.members.integer('seed', null);
    // wrong: no such member of a file
    context.addFile({ path: 'a.png', mime_type: 'image/png' });
    // wrong: a command line is a list
    await context.runProgram('ls -l');
    // wrong: the code is missing
    throw new JobFailure();
}

// wrong: processJob is missing
runConnector({ name: 'x' });
// wrong: a result is an object
runConnector({ processJob: () => 'done' });
