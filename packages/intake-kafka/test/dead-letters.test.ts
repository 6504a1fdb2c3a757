import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeadRecord } from '@tidings/service';
import { deadLettersFor } from '../src/dead-letters.ts';

function deadOf(at: number, bytes: number): DeadRecord {
  const place = { topic: 'consents', partition: 0, offset: BigInt(at), timestampMs: 0 };
  const headers = [['empty', undefined] as const, ['origin', Buffer.from('core')] as const];
  return { record: { ...place, key: undefined, value: Buffer.alloc(bytes), headers }, why: 'is bad.' };
}

test('dead letters are sent in their order, in chunks of at most 16 KiB, and a larger one alone', () => {
  const sizes = [5000, 5000, 5000, 5000, 20_000, 1, 16_000, 1];
  const chunks = deadLettersFor(
    'dead',
    sizes.map((bytes, at) => deadOf(at, bytes)),
  );
  assert.deepEqual(
    chunks.map((chunk) => chunk.map(({ value }) => value?.length)),
    [[5000, 5000, 5000], [5000], [20_000], [1, 16_000], [1]],
  );
  assert.deepEqual(deadLettersFor('dead', []), []);
});

test('a dead letter keeps the headers of its record, those without a value too', () => {
  const [[letter] = []] = deadLettersFor('dead', [{ ...deadOf(7, 1), field: 'id' }]);
  assert.deepEqual(
    [...(letter?.headers ?? [])].map(([name, text]) => [String(name), text && String(text)]),
    [
      ['empty', null],
      ['origin', 'core'],
      ['tidings-reason', 'is bad.'],
      ['tidings-field', 'id'],
      ['tidings-topic', 'consents'],
      ['tidings-partition', '0'],
      ['tidings-offset', '7'],
    ],
  );
});
