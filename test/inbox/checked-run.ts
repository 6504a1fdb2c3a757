import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type InboxChaosOptions, type InboxChaosReport, inboxChaosRun } from './chaos-run.ts';

export const TIMEOUT_MS = 300_000;

/** Runs with so many kills, or a planted fault, and another seed each time. */
export async function runInbox(
  t: TestContext,
  { store, kills, fault = 'none' }: Pick<InboxChaosOptions, 'store' | 'kills' | 'fault'>,
): Promise<InboxChaosReport> {
  const seed = Date.now() % 1_000_000;
  const report = await inboxChaosRun({ store, kills, instances: store === 'sqlite' ? 1 : 2, seed, fault });
  t.diagnostic(JSON.stringify({ ...report, findings: undefined }));
  return report;
}

/** Asserts that nothing is to be said against a run, and that it showed something. */
export function checkInbox({ findings, acknowledged, pushed, kills }: InboxChaosReport): void {
  assert.ok(acknowledged > kills);
  assert.equal(acknowledged, pushed);
  assert.deepEqual(findings, { lost: [], repeated: [], torn: [], refused: [], died: [] });
}
