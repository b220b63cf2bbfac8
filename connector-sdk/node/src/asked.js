// What the author's object says of itself. A wrong kind is refused with words: taken as it is, it would give a connector
// that gets no jobs and does not say why.
import { ConfigurationError } from './errors.js';
import { isObject, kindOf } from './json_values.js';

/** A member of the connector that may be a value or a function. */
export async function asked(connector, member, fallback) {
    const value = typeof connector[member] === 'function' ? await connector[member]() : connector[member];
    return value ?? fallback;
}

function refuse(member, wanted, value) {
    const shown = typeof value === 'string' ? JSON.stringify(value) : typeof value === 'number' ? String(value) : null;
    const said = shown === null ? kindOf(value) : `${shown} (${kindOf(value)})`;
    throw new ConfigurationError(`${member} of the connector must be ${wanted}, but is ${said}`);
}

export function checkHandler(connector) {
    if (typeof connector.processJob !== 'function') refuse('processJob', 'a function', connector.processJob);
}

/** The member of `ready` and `capabilities`, or none. */
export async function jobTypesOf(connector) {
    const types = await asked(connector, 'jobTypes');
    if (types === undefined) return {};
    if (typeof types !== 'object' || typeof types[Symbol.iterator] !== 'function') refuse('jobTypes', 'a list of texts', types);
    const list = [...types];
    for (const [index, type] of list.entries())
        if (typeof type !== 'string' || type === '') refuse(`jobTypes[${index}]`, 'a text that is not empty', type);
    return { job_types: list };
}

export async function concurrencyOf(connector) {
    const own = await asked(connector, 'concurrency', 1);
    if (!Number.isSafeInteger(own)) refuse('concurrency', 'a whole number', own);
    return Math.max(1, own);
}

/** `features`, `capabilities`. */
export async function objectOf(connector, member) {
    const value = await asked(connector, member, {});
    if (!isObject(value)) refuse(member, 'an object', value);
    return value;
}
