// Messages -> lines, within the limits of ipc/PROTOCOL.md. `type` and `job_id` come first, `result` last.
import { JobFailure, RawResult } from './errors.js';
import { depthWithin, isObject, kindOf, maxDepth, strictText } from './json_values.js';
import { checkMarks } from './job_files.js';

const maxBesideResult = 200 * 1024;  // 256 KiB is the limit; the rest of the message has room

function protocolError(message) {
    return new JobFailure('protocol_error', message, { retryable: false });
}

/** The line of a message; what is too large to be one is sent without `optional`. */
export function line(message, optional) {
    const text = JSON.stringify(message);
    if (!optional || Buffer.byteLength(text) <= maxBesideResult) return text;
    return JSON.stringify({ ...message, [optional]: undefined });
}

export function failedLine(jobId, error) {
    return line({ type: 'failed', job_id: jobId, error });
}

function textOf(value) {
    if (value instanceof RawResult) {
        // A raw line break would end the message; in valid JSON it stands between tokens only.
        const text = String(value.text).replace(/[\r\n]/g, ' ').trim();
        let parsed;
        try {
            parsed = JSON.parse(text);
        } catch (error) {
            throw protocolError(`the raw result is not valid JSON: ${error.message}`);
        }
        if (!isObject(parsed)) throw protocolError(`the result must be an object, but is ${kindOf(parsed)}`);
        if (!depthWithin(parsed, maxDepth)) throw protocolError(`the result is nested deeper than ${maxDepth} levels`);
        return [text, parsed];
    }
    if (!isObject(value)) {
        const hint = value === undefined ? ' (is a `return` missing in processJob()?)' : '';
        throw protocolError(`the result must be an object, but is ${kindOf(value)}${hint}`);
    }
    const text = strict(value);
    if (!text.startsWith('{')) throw protocolError('the result must be an object; its toJSON() makes none of it');
    return [text, null];
}

function strict(value) {
    try {
        return strictText(value, 'result');
    } catch (error) {
        throw protocolError(`the result cannot be JSON: ${error.message}`);
    }
}

/** The line that ends a job well. Throws JobFailure for what the supervisor would not take. */
export function resultLine(jobId, value, files, maxLineBytes) {
    const [text, parsed] = textOf(value);
    checkMarks(files.length === 0 && !text.includes('$file') ? {} : (parsed ?? JSON.parse(text)), files.length);
    const head = files.length > 0 ? `,"files":${JSON.stringify(files)}` : '';
    const whole = `{"type":"result","job_id":${JSON.stringify(jobId)}${head},"result":${text}}`;
    const bytes = Buffer.byteLength(whole);
    if (bytes > maxLineBytes) {
        throw new JobFailure('result_too_large',
            `the line that ends the job has ${bytes} bytes, and the supervisor takes ${maxLineBytes} ` +
                '(max_line_bytes); return less, or write it to a file and add that with addFile()',
            { retryable: false });
    }
    return whole;
}

