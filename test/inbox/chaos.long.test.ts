import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type InboxChaosReport, inboxChaosRun } from './chaos-run.ts';
import type { Fault } from './chaos-settings.ts';

// The long form is its own command: npm run inbox-chaos -- --store sqlite --kills 100

const TIMEOUT_MS = 300_000;

async function run(t: TestContext, store: 'sqlite' | 'postgres', kills: number, fault: Fault = 'none') {
  const seed = Date.now() % 1_000_000;
  const report = await inboxChaosRun({ store, kills, instances: store === 'sqlite' ? 1 : 2, seed, fault });
  t.diagnostic(JSON.stringify({ ...report, findings: undefined }));
  return report;
}

function check({ findings, acknowledged, pushed, kills }: InboxChaosReport): void {
  assert.ok(acknowledged > kills);
  assert.equal(acknowledged, pushed);
  assert.deepEqual(findings, { lost: [], repeated: [], torn: [], refused: [], died: [] });
}

for (const [store, kills] of [
  ['sqlite', 3],
  ['postgres', 2],
] as const) {
  test(`over ${kills} kills at random moments the inbox in ${store} loses nothing and repeats no effect`, {
    timeout: TIMEOUT_MS,
  }, async (t) => {
    check(await run(t, store, kills));
  });
}

// A run that could not fail would show nothing.
test('a run finds notifications that are acknowledged and not stored', { timeout: TIMEOUT_MS }, async (t) => {
  const { findings } = await run(t, 'sqlite', 0, 'answers-first');
  assert.notDeepEqual(findings.lost, []);
});

test('a run finds effects that are not part of the transaction', { timeout: TIMEOUT_MS }, async (t) => {
  const { findings } = await run(t, 'sqlite', 0, 'writes-beside');
  assert.notDeepEqual(findings.repeated, []);
});
