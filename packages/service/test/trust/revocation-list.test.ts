import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testPki } from '@tidings/testing';
import { nextUpdateMsOf } from '../../src/trust/x509.ts';

const { authority } = await testPki();

for (const at of ['2026-11-29T09:00:20Z', '2049-12-31T23:59:59Z', '2050-01-01T00:00:00Z', '1999-06-01T00:00:00Z']) {
  test(`a list whose next update is ${at} says so`, async () => {
    assert.equal(nextUpdateMsOf(await authority.revoke([], new Date(at))), Date.parse(at));
  });
}

test('a list that says nothing of it, and what is no list, have no next update', async () => {
  const list = await authority.revoke([], new Date());
  const cut = list.replace(/(?<=\n)[^-]{40}/, '');
  for (const text of [await authority.revoke([], null), '', 'AAAA', cut]) assert.equal(nextUpdateMsOf(text), undefined);
});
