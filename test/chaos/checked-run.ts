import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type ChaosOptions, chaosRun, sayFindings } from './chaos-run.ts';

/** A run has its own limits for each step, which a busy machine comes near: the limit of a test is beyond their sum. */
export const TIMEOUT_MS = 600_000;

/** Runs as the options say, with another seed each time, and asserts that nothing was lost and that something was shown. */
export async function checkRun(t: TestContext, options: Omit<ChaosOptions, 'seed' | 'onProgress'>): Promise<void> {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const report = await chaosRun({ ...options, seed });
  t.diagnostic(JSON.stringify(report));
  const { kills, accepted, acknowledged, uncertain, duplicates, inFlight } = report;
  assert.ok(accepted > 2 * kills, `only ${accepted} events were accepted: the run shows nothing`);
  assert.ok(
    acknowledged + uncertain > kills,
    `only ${acknowledged + uncertain} answers were sent: the run shows nothing`,
  );
  assert.deepEqual(sayFindings(report), []);
  assert.ok(duplicates <= inFlight, `${duplicates} duplicates, but only ${inFlight} were in flight at the faults`);
}
