// Typed reading of a JSON object: a payload, or the connector's settings. What is wrong names the member and what it may
// be; of settings the value is not repeated, it may be a secret.
import { ConfigurationError, JobFailure } from './errors.js';
import { isObject, kindOf, shortened } from './json_values.js';

const kinds = {
    string: ['a text', (value) => typeof value === 'string'],
    integer: ['a whole number', Number.isSafeInteger],
    number: ['a number', (value) => typeof value === 'number' && Number.isFinite(value)],
    boolean: ['true or false', (value) => typeof value === 'boolean'],
    array: ['a list', Array.isArray],
    object: ['an object', isObject],
};

export class Members {
    #values;
    #what;
    #path;
    #settings;

    constructor(values, { what = 'the payload', path = '', settings = false } = {}) {
        this.#values = values;
        this.#what = what;
        this.#path = path;
        this.#settings = settings;
    }

    has(key) {
        return Object.hasOwn(this.#values, key) && this.#values[key] !== null;
    }

    /** Without a fallback the member must be there; null counts as absent. */
    string(key, fallback, { choices } = {}) {
        const value = this.#read(key, fallback, 'string');
        if (choices && this.has(key) && !choices.includes(value))
            throw this.#wrong(key, `one of ${choices.join(', ')}`, value);
        return value;
    }

    integer(key, fallback, { within } = {}) {
        return this.#inRange(key, this.#read(key, fallback, 'integer'), within, 'integer');
    }

    number(key, fallback, { within } = {}) {
        return this.#inRange(key, this.#read(key, fallback, 'number'), within, 'number');
    }

    boolean(key, fallback) {
        return this.#read(key, fallback, 'boolean');
    }

    /** `of`: the kind of each element ("string", "integer", ...). */
    array(key, fallback, { of } = {}) {
        const value = this.#read(key, fallback, 'array');
        if (of && this.has(key)) {
            value.forEach((each, index) => {
                if (!kinds[of][1](each)) throw this.#wrong(`${key}[${index}]`, kinds[of][0], each);
            });
        }
        return value;
    }

    /** The members of an object in this one. */
    object(key, fallback) {
        const value = this.#read(key, fallback, 'object');
        if (!isObject(value)) return value;
        return new Members(value, { what: this.#what, path: `${this.#path}${key}.`, settings: this.#settings });
    }

    #read(key, fallback, kind) {
        const [wanted, fits] = kinds[kind];
        if (!this.has(key)) {
            if (fallback === undefined)
                throw this.#error(`${this.#what} must have "${this.#path}${key}", ${wanted}`);
            return fallback;
        }
        const value = this.#values[key];
        if (fits(value)) return value;
        const large = kind === 'integer' && Number.isInteger(value);
        throw this.#wrong(key, large ? 'a whole number below 2^53' : wanted, value);
    }

    #inRange(key, value, within, kind) {
        if (within && this.has(key) && !(value >= within[0] && value <= within[1]))
            throw this.#wrong(key, `${kinds[kind][0]} from ${within[0]} to ${within[1]}`, value);
        return value;
    }

    #wrong(key, wanted, value) {
        let found = kindOf(value);
        if (['string', 'number'].includes(typeof value) && !this.#settings)
            found = `${shortened(JSON.stringify(value), 80)} (${found})`;
        return this.#error(`"${this.#path}${key}" of ${this.#what} must be ${wanted}, but is ${found}`);
    }

    #error(message) {
        return this.#settings ? new ConfigurationError(message)
                              : new JobFailure('invalid_payload', message, { retryable: false });
    }
}
