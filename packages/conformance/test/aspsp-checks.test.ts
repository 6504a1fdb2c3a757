import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXPLANATIONS } from '../src/aspsp/explanations.ts';
import { ASPSP_CHECKS } from '../src/index.ts';

test('every explanation is of a check, and short', () => {
  const ids = new Set(ASPSP_CHECKS.map(({ id }) => id));
  for (const [id, { rule, remedy }] of Object.entries(EXPLANATIONS)) {
    assert.ok(ids.has(id), `${id} is no check`);
    for (const text of [rule, remedy].filter((each) => each !== undefined)) {
      assert.match(text, /^[A-Za-z0-9].*\.$/, id);
      assert.ok((text.match(/[.:?](?= [A-Z])/g) ?? []).length < 3, `${id} has more than three sentences`);
    }
  }
  assert.deepEqual(ASPSP_CHECKS.find(({ id }) => id === 'RT-33')?.remedy, EXPLANATIONS['RT-33']?.remedy);
});
