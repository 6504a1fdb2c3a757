import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generateApi } from '../scripts/generate-api.ts';

test('the types of the client are those of the operator API', async () => {
  const kept = readFileSync(new URL('../src/api/operator-api.d.ts', import.meta.url), 'utf8');
  assert.equal(kept, await generateApi(), 'run: npm run generate --workspace packages/console');
});
