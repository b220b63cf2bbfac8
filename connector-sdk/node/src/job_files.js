// The files that one job adds to its result, and the marks that stand for them (ipc/PROTOCOL.md, "Files").
import { JobFailure } from './errors.js';
import { isObject, kindOf, strictText } from './json_values.js';

const maxBytes = 900 * 1024;  // of their text; 1 MiB is the limit
const maxFiles = 1000;

function refuse(message) {
    return new JobFailure('protocol_error', message, { retryable: false });
}

function nameFault(name) {
    if (name === '') return 'is empty';
    if (name === '.' || name === '..') return 'is no name of a file';
    if (name.includes('/')) return 'holds a slash';
    if (name.includes('\0')) return 'holds a NUL';
    if (Buffer.byteLength(name) > 255) return 'is longer than 255 bytes';
    return null;
}

function pathFault(path) {
    if (path.includes('\0')) return 'holds a NUL';
    if (path.split('/').includes('..')) return 'holds a part ".."';
    if (['', '.'].includes(path.slice(path.lastIndexOf('/') + 1))) return 'names a folder, and only files are delivered';
    return null;
}

function urlFault(url) {
    if (!/^[A-Za-z0-9+.-]+:\/\//.test(url)) return 'is no absolute URL (http://HOST/...)';
    if (/[\u0000-\u0020\u007f]/.test(url)) return 'holds a space or a control character (write it as %20 and the like)';
    return null;
}

function nameInUrl(url) {
    const path = url.replace(/^[^:]*:\/\//, '').replace(/[?#].*$/s, '');
    if (!path.includes('/')) return '';
    const last = path.slice(path.lastIndexOf('/') + 1);
    try {
        return decodeURIComponent(last);
    } catch {
        return last;
    }
}

function checkFile(file, place) {
    for (const [key, value] of Object.entries(file)) {
        if (['path', 'url', 'name', 'mime_type', 'kind', 'node'].includes(key) && typeof value !== 'string')
            throw refuse(`${place}.${key} must be a text, but is ${kindOf(value)}`);
    }
    if (file.deliver !== undefined &&
        !(Array.isArray(file.deliver) && file.deliver.every((store) => typeof store === 'string' && store !== '')))
        throw refuse(`${place}.deliver must be a list of names of stores`);
    if (file.strip_metadata !== undefined && typeof file.strip_metadata !== 'boolean')
        throw refuse(`${place}.strip_metadata must be true or false, but is ${kindOf(file.strip_metadata)}`);
    if (!file.path && !file.url) throw refuse(`${place} has neither path nor url`);
    const wrongPath = file.path && pathFault(file.path);
    if (wrongPath) throw refuse(`${place}.path ${JSON.stringify(file.path)} ${wrongPath}`);
    const wrongUrl = file.url && urlFault(file.url);
    if (wrongUrl) throw refuse(`${place}.url ${wrongUrl}`);  // not shown: it may hold a key
    const own = file.path ? file.path.slice(file.path.lastIndexOf('/') + 1) : nameInUrl(file.url);
    const wrongName = nameFault(file.name ?? own);
    if (wrongName && file.name) throw refuse(`${place}.name ${JSON.stringify(file.name)} ${wrongName}`);
    if (wrongName) throw refuse(`${place} needs a name: what it ends with (${JSON.stringify(own)}) ${wrongName}`);
}

/** An OutputFile as it stands in the message; what is empty is left out. */
function toMessage(file) {
    const { path, url, name, mimeType, kind, node, deliver, stripMetadata, more } = file;
    const known = { path, url, name, mime_type: mimeType, kind, node, deliver, strip_metadata: stripMetadata };
    const out = { ...(more ?? {}) };
    for (const [key, value] of Object.entries(known)) {
        delete out[key];
        if (value !== undefined && value !== null && value !== '' && value !== false &&
            !(Array.isArray(value) && value.length === 0))
            out[key] = value;
    }
    return out;
}

export class JobFiles {
    #offer;
    #files = [];
    #bytes = 0;
    #closed = false;

    /** `offer`: hello.files, or null. */
    constructor(offer) {
        this.#offer = offer;
    }

    add(file) {
        if (!this.#offer) {
            throw new JobFailure('unsupported', 'this worker takes no files of results (its `hello` has no `files`): ' +
                'it is older than this connector; update it', { retryable: false });
        }
        const index = this.#files.length;
        if (this.#closed) return { $file: index };
        const place = `files[${index}]`;
        const unknown = Object.keys(file).find((key) => !['path', 'url', 'name', 'mimeType', 'kind', 'node', 'deliver',
            'stripMetadata', 'more'].includes(key));
        if (unknown) throw refuse(`addFile() knows no "${unknown}" (members of your own go into \`more\`)`);
        const message = toMessage(file);
        checkFile(message, place);
        let text;
        try {
            text = strictText(message, place);
        } catch (error) {
            throw refuse(error.message);
        }
        const most = Math.min(this.#offer.maxFiles, maxFiles);
        if (index >= most || this.#bytes + Buffer.byteLength(text) > maxBytes) {
            throw new JobFailure('result_too_large', `the files of the result are too many: the worker takes ${most}, ` +
                `and ${maxBytes} bytes of text about them`, { retryable: false });
        }
        this.#bytes += Buffer.byteLength(text) + 1;
        this.#files.push(JSON.parse(text));
        return { $file: index };
    }

    /** All of them. What is added from now on is dropped. */
    take() {
        this.#closed = true;
        return this.#files;
    }
}

/** Each mark names a file, and each file is mentioned; throws JobFailure. Without files marks are plain values. */
export function checkMarks(result, files) {
    if (files === 0) return;
    const seen = new Set();
    const look = (value) => {
        if (value === null || typeof value !== 'object') return;
        if (!Array.isArray(value) && Object.keys(value).length === 1 && Number.isInteger(value.$file)) {
            if (value.$file < 0 || value.$file >= files)
                throw refuse(`the result mentions the file ${value.$file}, and there are ${files} (counted from 0)`);
            seen.add(value.$file);
            return;
        }
        Object.values(value).forEach(look);
    };
    look(result);
    for (let index = 0; index < files; ++index) {
        if (!seen.has(index))
            throw refuse(`files[${index}] is mentioned nowhere in the result (put what addFile() returns into it)`);
    }
}
