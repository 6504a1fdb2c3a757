import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { MIGRATIONS as OF_POSTGRES } from '../../src/store/postgres/schema.ts';
import { MIGRATIONS as OF_SQLITE } from '../../src/store/sqlite/schema.ts';

// What runs somewhere has applied these steps, and never applies them again: a change of one would reach new databases alone.
// Whoever adds a step adds its digest.
const FROZEN = {
  sqlite: ['f440e49f5af5ca2c575ca6cd523483936926e4769944294b88d1aed9bfd96ca8'],
  postgres: ['3c853bae4c103d78cb6ba99ffad0a16b9a98457795b00065ebca28989dc145c9'],
} as const;

const digestOf = (sql: string) => createHash('sha256').update(sql).digest('hex');

for (const [store, steps] of [
  ['sqlite', OF_SQLITE],
  ['postgres', OF_POSTGRES.map(({ sql }) => sql)],
] as const) {
  test(`the steps of the schema of ${store} are as they were when databases got them`, () => {
    assert.deepEqual(
      steps.map(digestOf),
      FROZEN[store],
      'a step of the schema was changed or added: bring changes in a step of their own, and add its digest here',
    );
  });
}
