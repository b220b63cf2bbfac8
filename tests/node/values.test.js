// The cores: values on their way into messages, lines on their way in, files, typed reading.
import assert from 'node:assert';
import test from 'node:test';
import { Members, RawResult } from '../../connector-sdk/node/index.js';
import { lenient, shortened, strictText } from '../../connector-sdk/node/src/json_values.js';
import { checkMarks, JobFiles } from '../../connector-sdk/node/src/job_files.js';
import { LineFramer } from '../../connector-sdk/node/src/line_framer.js';
import { resultLine } from '../../connector-sdk/node/src/messages.js';
import { parseLine } from '../../connector-sdk/node/src/parse_line.js';

test('what JSON would change silently is refused by its path', () => {
    const cycle = { list: [] };
    cycle.list.push({ back: cycle });
    let deep = {};
    for (let i = 0; i < 256; ++i) deep = { a: deep };
    const refused = [
        [{ a: { b: [1, NaN] } }, /^r\.a\.b\[1\] is NaN/], [{ a: -Infinity }, /^r\.a is -Infinity/],
        [{ 'no name': 1n }, /^r\["no name"\] is a BigInt/], [{ a: undefined }, /^r\.a is undefined/],
        [{ a: [, 1] }, /^r\.a\[0\] is undefined/], [{ a() {} }, /^r\.a is a function/],
        [{ a: Symbol('x') }, /^r\.a is a symbol/], [cycle, /^r\.list\[0\]\.back holds itself/],
        [{ a: new Map() }, /^r\.a is a Map/], [{ a: Buffer.from('x') }, /^r\.a is binary/],
        [{ a: new Float64Array(2) }, /^r\.a is binary/], [{ a: Promise.resolve() }, /^r\.a is a Promise/],
        [{ a: 'half \ud800' }, /^r\.a holds half a character/], [{ '\udc00': 1 }, /^a name in r holds half/],
        [{ a: new Error('x') }, /^r\.a is an Error/], [{ a: new Number(NaN) }, /^r\.a is NaN/],
        [{ a: { toJSON: () => undefined } }, /^r\.a is undefined/], [deep, /is nested deeper than 256 levels$/],
    ];
    for (const [value, message] of refused) assert.throws(() => strictText(value, 'r'), { name: 'TypeError', message });
    const twice = { same: 1 };
    assert.strictEqual(strictText({ d: new Date(0), twice: [twice, twice], text: '\u2028\u0000😀', no: null }, 'r'),
        '{"d":"1970-01-01T00:00:00.000Z","twice":[{"same":1},{"same":1}],"text":"\u2028\\u0000😀","no":null}');
});

test('logs and details take any value', () => {
    const cycle = { n: NaN, b: 2n, u: undefined, e: new TypeError('x'), m: new Map([['k', new Set([1])]]), t: '\ud800' };
    cycle.self = cycle;
    assert.strictEqual(JSON.stringify(lenient(cycle)),
        '{"n":"NaN","b":"2","e":"TypeError: x","m":{"k":[1]},"t":"\ufffd","self":"..."}');
    const proto = JSON.parse('{"__proto__":{"a":1}}');
    assert.strictEqual(JSON.stringify(lenient(proto)), '{"__proto__":{"a":1}}');
    assert.strictEqual(shortened('ab😀', 3), 'ab... (4 characters in all)');
});

test('lines, wherever the bytes are cut', () => {
    const text = Buffer.from('{"a":"ä😀"}\n\nzweite\nlast');
    for (let size = 1; size <= text.length; ++size) {
        const lines = [];
        const framer = new LineFramer(100, (line) => lines.push(line));
        for (let at = 0; at < text.length; at += size) framer.feed(Buffer.from(text.subarray(at, at + size)));
        framer.finish();
        assert.deepStrictEqual(lines, ['{"a":"ä😀"}', 'zweite', 'last']);
    }
});

test('a line that is too long is skipped with its beginning', () => {
    for (const size of [1, 7, 1000, 100000]) {
        const seen = [];
        const framer = new LineFramer(5000, (line) => seen.push(line), (head, bytes) => seen.push([head.length, bytes]));
        const text = Buffer.from(`${'x'.repeat(9000)}\nshort\n`);
        for (let at = 0; at < text.length; at += size) framer.feed(text.subarray(at, at + size));
        assert.deepStrictEqual(seen, [[4096, 9000], 'short']);
    }
});

test('the payload of a job is the client\'s text', () => {
    const head = '{"type":"job","job_id":"a,\\",\\"payload\\":","x":{"y":[1]}';
    assert.strictEqual(parseLine(`${head},"payload":{"n":1.10,"payload":{"payload":2}}}`).payloadText,
        '{"n":1.10,"payload":{"payload":2}}');
    assert.strictEqual(parseLine('{"payload":{"a":1},"job_id":"b","type":"job"}').payloadText, '{"a":1}');
    assert.strictEqual(parseLine('{"type":"job","job_id":"b","payload":{"a":1},"later":{}}').payloadText, '{"a":1}');
    assert.strictEqual(parseLine('{"type":"ping","id":18446744073709551615}').pingId, '18446744073709551615');
    for (const line of ['[]', '1', '{', '{"type":"job","payload":{}}', '{"type":"job","job_id":7,"payload":{}}'])
        assert.throws(() => parseLine(line), SyntaxError);
});

test('typed reading names the member', () => {
    const members = new Members(JSON.parse('{"s":"x","i":3,"f":1.5,"b":true,"l":["a",1],"o":{"deep":{"n":"no"}},"z":null,' +
        '"big":18446744073709551615,"constructor":"x"}'));
    assert.strictEqual(members.integer('i'), 3);
    assert.strictEqual(members.number('f', 0, { within: [1, 2] }), 1.5);
    assert.strictEqual(members.string('z', 'fallback'), 'fallback');
    assert.strictEqual(members.integer('toString', 7), 7, 'what objects inherit is no member');
    assert.strictEqual(members.integer('none', null), null);
    const wrong = [
        [() => members.integer('f'), '"f" of the payload must be a whole number, but is 1.5 (a number)'],
        [() => members.integer('big'), /"big" of the payload must be a whole number below 2\^53, but is 18446744073709552000/],
        [() => members.integer('i', 0, { within: [4, 8] }), '"i" of the payload must be a whole number from 4 to 8, but is 3 (a number)'],
        [() => members.boolean('s'), '"s" of the payload must be true or false, but is "x" (a text)'],
        [() => members.string('s', 'a', { choices: ['a', 'b'] }), '"s" of the payload must be one of a, b, but is "x" (a text)'],
        [() => members.array('l', [], { of: 'string' }), '"l[1]" of the payload must be a text, but is 1 (a number)'],
        [() => members.object('o').object('deep').number('n'), '"o.deep.n" of the payload must be a number, but is "no" (a text)'],
        [() => members.object('l'), '"l" of the payload must be an object, but is a list'],
        [() => members.string('z'), 'the payload must have "z", a text'],
    ];
    for (const [read, message] of wrong)
        assert.throws(read, { name: 'JobFailure', code: 'invalid_payload', retryable: false, message });
    const secret = new Members({ key: 5 }, { what: 'the settings', settings: true });
    assert.throws(() => secret.string('key'),
        { name: 'ConfigurationError', message: '"key" of the settings must be a text, but is a number' });
});

test('a raw result is sent as it is', () => {
    const raw = (text, limit = 1000) => resultLine('1', new RawResult(text), [], limit);
    assert.strictEqual(raw(' {"e":1E400,\r\n"n":1.10}\n'), '{"type":"result","job_id":"1","result":{"e":1E400,  "n":1.10}}');
    assert.throws(() => raw('[1]'), { code: 'protocol_error', message: 'the result must be an object, but is a list' });
    assert.throws(() => raw('{"a":NaN}'), { code: 'protocol_error', message: /^the raw result is not valid JSON/ });
    assert.throws(() => raw(`{"a":${'['.repeat(256)}${']'.repeat(256)}}`), { message: /nested deeper than 256/ });
    assert.throws(() => raw('{"a":1}', 40), { code: 'result_too_large' });
});

test('files: what cannot be is refused at once, each is mentioned', () => {
    const files = new JobFiles({ maxFiles: 3 });
    for (const [file, message] of [[{}, /files\[0\] has neither path nor url/], [{ path: '../x' }, /holds a part "\.\."/],
        [{ path: 'a/' }, /names a folder/], [{ path: 'a', name: 'b/c' }, /name "b\/c" holds a slash/], [{ path: 1 }, /must be a text/],
        [{ url: 'x' }, /no absolute URL/], [{ url: 'http://h/' }, /needs a name/], [{ path: 'a', deliver: [''] }, /names of stores/],
        [{ path: 'a', mime_type: 'x' }, /knows no "mime_type"/], [{ path: 'a', more: { x: NaN } }, /files\[0\]\.x is NaN/]])
        assert.throws(() => files.add(file), { code: 'protocol_error', message });
    assert.deepStrictEqual(files.add({ path: 'a.png' }), { $file: 0 });
    assert.deepStrictEqual(files.add({ url: 'http://h/b%20c?x', more: { path: 'mine' } }), { $file: 1 });
    files.add({ path: 'x' });
    assert.throws(() => files.add({ path: 'x' }), { code: 'result_too_large' });
    assert.deepStrictEqual(files.take()[1], { url: 'http://h/b%20c?x' });
    assert.throws(() => new JobFiles(null).add({ path: 'a' }), { code: 'unsupported' });
    checkMarks({ a: [{ $file: 0 }], b: { $file: 1 } }, 2);
    assert.throws(() => checkMarks({ a: { $file: 0 }, b: { $file: 1, x: 2 } }, 2), /files\[1\] is mentioned nowhere/);
    assert.throws(() => checkMarks({ a: { $file: 2 } }, 2), /mentions the file 2, and there are 2/);
});
