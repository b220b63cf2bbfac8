// A connector whose jobs make files: a program paints, the worker delivers the picture.
import { runConnector } from 'emprops-connector';

await runConnector({
    name: 'painter',
    jobTypes: ['paint'],
    async processJob(job, context) {
        const colour = job.members.string('colour', 'red', { choices: ['red', 'green', 'blue'] });
        await context.runProgram(['sh', '-c', 'echo "P3 1 1 255  255 0 0" > "$1"', 'paint', `${colour}.ppm`]);
        context.release();  // from now on the next job runs
        const picture = context.addFile(`${colour}.ppm`, { mimeType: 'image/x-portable-pixmap' });
        return { status: 'success', picture };
    },
});
