import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkInbox, runInbox, TIMEOUT_MS } from './checked-run.ts';

// The short form of chaos.long.test.ts.

test('over a kill at a random moment the inbox in sqlite loses nothing and repeats no effect', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  checkInbox(await runInbox(t, { store: 'sqlite', kills: 1 }));
});

// A run that could not fail would show nothing.
test('a run finds notifications that are acknowledged and not stored', { timeout: TIMEOUT_MS }, async (t) => {
  const { findings } = await runInbox(t, { store: 'sqlite', kills: 0, fault: 'answers-first' });
  assert.notDeepEqual(findings.lost, []);
});

test('a run finds effects that are not part of the transaction', { timeout: TIMEOUT_MS }, async (t) => {
  const { findings } = await runInbox(t, { store: 'sqlite', kills: 0, fault: 'writes-beside' });
  assert.notDeepEqual(findings.repeated, []);
});
