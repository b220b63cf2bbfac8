// A line of the supervisor -> the message, and of a job the text of its payload as the client wrote it. Pure.
import { isObject } from './json_values.js';

const mark = ',"payload":';

function envelopeOf(line) {
    // The supervisor promises `payload` to be last, and no text can hold the mark: its quotes would be escaped.
    const at = line.startsWith('{"type":"job"') ? line.indexOf(mark) : -1;
    if (at < 0 || !line.endsWith('}')) return null;
    try {
        const payloadText = line.slice(at + mark.length, -1);
        JSON.parse(payloadText);
        return { message: JSON.parse(`${line.slice(0, at)}}`), payloadText };
    } catch {
        return null;
    }
}

/** {message, payloadText of a job, pingId of a ping as it stands in the line}. Throws SyntaxError. */
export function parseLine(text) {
    const line = text.replace(/^\ufeff/, '').trim();
    const envelope = envelopeOf(line);
    if (envelope) return checked(envelope);
    const message = JSON.parse(line);
    if (!isObject(message)) throw new SyntaxError('it is no JSON object');
    if (message.type === 'job') {
        const { payload, ...rest } = message;
        return checked({ message: rest, payloadText: JSON.stringify(payload ?? {}) });
    }
    if (message.type === 'ping') {
        // JSON.parse() rounds beyond 2^53.
        const id = /"id"\s*:\s*(-?\d+)/.exec(line);
        return { message, pingId: id ? id[1] : '0' };
    }
    return { message };
}

function checked(parsed) {
    const id = parsed.message.job_id;
    if (typeof id !== 'string' || id === '') throw new SyntaxError('a job without a job_id');
    return parsed;
}
