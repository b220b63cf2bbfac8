// How a handler is tested without a worker: node --test
import assert from 'node:assert';
import test from 'node:test';
import * as testing from 'emprops-connector/testing';
import { Echo } from './echo.js';

test('a payload comes back', async () => {
    const { result, progress } = await testing.run(new Echo(), { times: 2 });
    assert.deepStrictEqual(result, { status: 'success', output: { times: 2 } });
    assert.strictEqual(progress.at(-1).message, 'echo 2 of 2');
});

test('a wrong member is named', async () => {
    const { error } = await testing.run(new Echo(), { times: 'twice' });
    assert.strictEqual(error.code, 'invalid_payload');
    assert.match(error.message, /"times" of the payload must be a whole number/);
});

test('a cancel is heard', async () => {
    const { error } = await testing.run(new Echo(), {}, { settings: { delay_ms: 60000 }, cancelAt: 'progress' });
    assert.strictEqual(error.code, 'cancelled');
});
