import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crashRun } from './crash-run.ts';

// The long form is its own command: npm run crash -- --kills 500
const KILLS = 20;

test(`over ${KILLS} kills at random moments every accepted event reaches the TPP`, async (t) => {
  const seed = Date.now() % 1_000_000;
  const report = await crashRun({ kills: KILLS, seed });
  t.diagnostic(JSON.stringify(report));
  assert.ok(report.accepted > KILLS, `only ${report.accepted} events were accepted: the run shows nothing`);
  assert.deepEqual(report.lost, [], 'accepted events were lost');
  assert.deepEqual(report.changedNotification, [], 'publishing again made another notification');
  assert.deepEqual(report.changedBytes, [], 'a notification was signed more than once');
  assert.deepEqual(report.unknown, [], 'a notification came that nobody published');
  assert.deepEqual(report.refused, [], 'the receiver refused a notification');
});
