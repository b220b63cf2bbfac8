// What authors throw and return, and what becomes of anything that is thrown.
import { lenient, said, shortened } from './json_values.js';

/** Throw it from processJob() to fail the job with a code of ipc/PROTOCOL.md, or NAME.WORD of your own. */
export class JobFailure extends Error {
    constructor(code, message, { retryable = true, details } = {}) {
        super(message);
        this.name = 'JobFailure';
        this.code = code;
        this.retryable = retryable;
        this.details = details;
    }
}

/** Throw it from initialize() when trying again cannot help before the settings change. */
export class ConfigurationError extends Error {
    constructor(message) {
        super(message);
        this.name = 'ConfigurationError';
    }
}

/** A result that is JSON text already (an object); it is sent byte for byte. */
export class RawResult {
    constructor(text) {
        this.text = text;
    }
}

function sentence(error, depth = 0) {
    if (!(error instanceof Error)) return typeof error === 'string' ? error : `something was thrown: ${plain(error)}`;
    const code = typeof error.code === 'string' ? error.code : '';
    let text = String(error.message || code || error.name);
    // "TypeError: ..." says that it is the connector's own fault.
    if (!['Error', 'JobFailure', 'ConfigurationError'].includes(error.name) && text !== error.name)
        text = `${error.name}: ${text}`;
    // fetch() says "fetch failed", and only its cause says why.
    if (error.cause !== undefined && depth < 3) text += `: ${sentence(error.cause, depth + 1)}`;
    return text;
}

function plain(value) {
    try {
        return JSON.stringify(lenient(value)) ?? String(value);
    } catch {
        return typeof value;
    }
}

/** The object `error` of `failed` and `init_failed`. */
export function errorOf(thrown) {
    const error = { code: 'internal', message: '', retryable: true };
    try {
        error.message = said(sentence(thrown));
        if (thrown instanceof ConfigurationError) error.retryable = false;
        if (thrown instanceof JobFailure) {
            error.code = shortened(thrown.code, 256) || 'internal';
            error.retryable = thrown.retryable !== false;
            const details = lenient(thrown.details);
            if (details !== null && typeof details === 'object' && !Array.isArray(details) &&
                Buffer.byteLength(JSON.stringify(details)) <= 65536)
                error.details = details;
        }
    } catch (broken) {
        error.message = `something was thrown that cannot be told (${typeof broken})`;
    }
    if (!error.message) error.message = 'the connector gave no reason';
    return error;
}

/** For the worker's log: where it happened. Failures that are meant to be one have no stack. */
export function tellStack(who, thrown) {
    if (thrown instanceof JobFailure || thrown instanceof ConfigurationError) return;
    try {
        if (thrown instanceof Error && thrown.stack) process.stderr.write(`${who}: ${thrown.stack}\n`);
    } catch {
        // An error whose stack cannot be read: its message has been told.
    }
}
