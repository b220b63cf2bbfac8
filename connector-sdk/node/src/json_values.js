// Values on their way into a message. Strict for results: what JSON would change silently is refused by its path.
// Lenient for logs and details: there a strange value must not cost the line.

export const maxDepth = 256;  // ipc/PROTOCOL.md, Limits
const loneSurrogate = /\p{Surrogate}/u;

export function isObject(value) {
    return value !== null && typeof value === 'object' && !Array.isArray(value);
}

export function depthWithin(value, levels) {
    if (value === null || typeof value !== 'object') return true;
    return levels > 0 && Object.values(value).every((each) => depthWithin(each, levels - 1));
}

/** "a text", "a list", ... for error messages. */
export function kindOf(value) {
    if (value === null) return 'null';
    if (value === undefined) return 'undefined';
    if (Array.isArray(value)) return 'a list';
    return { string: 'a text', number: 'a number', bigint: 'a BigInt', boolean: 'true or false', object: 'an object',
        function: 'a function', symbol: 'a symbol' }[typeof value];
}

export function wellFormed(text) {
    return loneSurrogate.test(text) ? text.replace(/\p{Surrogate}/gu, '\ufffd') : text;
}

function asText(value) {
    try {
        return String(value);
    } catch {
        return `(${kindOf(value)})`;  // Object.create(null), a toString() that throws
    }
}

/** As text, at most `limit` characters of it. */
export function shortened(value, limit = 65536) {
    const text = value === undefined || value === null ? '' : asText(value);
    if (text.length <= limit) return wellFormed(text);
    return `${wellFormed(text.slice(0, limit)).replace(/\ufffd$/, '')}... (${text.length} characters in all)`;
}

/** What is said in a message beside its other members: a text that is not too large as JSON either, where a character
 * has up to six bytes. */
export function said(value) {
    const text = shortened(value);
    return Buffer.byteLength(JSON.stringify(text)) <= 120 * 1024 ? text : shortened(value, 16384);
}

function member(path, key) {
    if (typeof key === 'number') return `${path}[${key}]`;
    return /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`;
}

function faultOfPlain(value) {
    switch (typeof value) {
        case 'number':
            return Number.isFinite(value) ? null : `is ${value} (use null, or leave the member out)`;
        case 'string':
            return loneSurrogate.test(value) ? 'holds half a character (a lone surrogate: a text that was cut)' : null;
        case 'boolean':
            return null;
        case 'bigint':
            return 'is a BigInt (use a text, or a number if it is below 2^53; RawResult takes JSON text as it is)';
        default:
            return `is ${kindOf(value)} (use null, or leave the member out)`;
    }
}

function faultOfObject(value) {
    if (value instanceof Map || value instanceof Set)
        return `is a ${value.constructor.name} (JSON would make {} of it: Object.fromEntries() or [...it])`;
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer)
        return 'is binary (write it to a file and add that with addFile(), or use its base64)';
    if (value instanceof Promise) return 'is a Promise (an `await` is missing)';
    if (value instanceof Error) return 'is an Error (JSON would make {} of it: use its message, or throw it)';
    return null;
}

/** What is wrong with `value`, with the path to it; null: it can be JSON. */
function faultIn(value, path, key, above) {
    if ((isObject(value) && !ArrayBuffer.isView(value)) || typeof value === 'bigint') {
        if (typeof value.toJSON === 'function') value = value.toJSON(String(key));
        else if (value instanceof Number || value instanceof String || value instanceof Boolean)
            value = value.valueOf();
    }
    if (value === null) return null;
    if (typeof value !== 'object') {
        const fault = faultOfPlain(value);
        return fault && `${path} ${fault}`;
    }
    const fault = faultOfObject(value);
    if (fault) return `${path} ${fault}`;
    if (above.has(value)) return `${path} holds itself (a cycle)`;
    if (above.size >= maxDepth) return `${path} is nested deeper than ${maxDepth} levels`;
    above.add(value);
    const found = Array.isArray(value) ? faultInList(value, path, above) : faultInMembers(value, path, above);
    above.delete(value);
    return found;
}

function faultInList(list, path, above) {
    for (let index = 0; index < list.length; ++index) {
        const found = faultIn(list[index], `${path}[${index}]`, index, above);
        if (found) return found;
    }
    return null;
}

function faultInMembers(object, path, above) {
    for (const key of Object.keys(object)) {
        if (loneSurrogate.test(key)) return `a name in ${path} holds half a character (a lone surrogate)`;
        const found = faultIn(object[key], member(path, key), key, above);
        if (found) return found;
    }
    return null;
}

/** JSON text of `value`. Throws TypeError that names the place ("result.images[3].size is NaN ..."). */
export function strictText(value, name) {
    const fault = faultIn(value, name, '', new Set());
    if (fault) throw new TypeError(fault);
    return JSON.stringify(value);
}

/** A copy of `value` that can be JSON: what cannot is told in words. */
export function lenient(value, depth = 0, above = new Set()) {
    if (value === null || value === undefined) return null;
    if (typeof value === 'string') return wellFormed(value);
    if (typeof value === 'boolean') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (typeof value !== 'object') return String(value);
    if (value instanceof Error) return wellFormed(`${value.name}: ${value.message}`);
    if (above.has(value) || depth >= 32) return '...';
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return `(${value.byteLength} bytes)`;
    above.add(value);
    let copy;
    if (value instanceof Map) copy = lenient(Object.fromEntries(value), depth + 1, above);
    else if (Array.isArray(value) || value instanceof Set)
        copy = [...value].map((each) => lenient(each, depth + 1, above));
    else {
        copy = {};
        for (const key of Object.keys(value)) {
            if (value[key] === undefined) continue;
            // Not by assignment: "__proto__" is a name like any other.
            Object.defineProperty(copy, wellFormed(key), { value: lenient(value[key], depth + 1, above),
                enumerable: true, configurable: true, writable: true });
        }
    }
    above.delete(value);
    return copy;
}

/** `value` for a member that must be an object; null: it is none. Never throws. */
export function lenientObject(value) {
    if (!isObject(value)) return null;
    try {
        const copy = lenient(value);
        return isObject(copy) ? copy : null;
    } catch {
        return null;  // a getter that throws
    }
}
