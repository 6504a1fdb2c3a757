import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ChaosReport, chaosRun, sayFindings } from './chaos-run.ts';
import { whyNoPowerCuts } from './disk.ts';
import type { StoreKind } from './schedule.ts';

const impossible = (await whyNoPowerCuts()) ?? false;

// A run has its own limits for each step, which a busy machine comes near: the limit of a test is beyond their sum.
const TIMEOUT_MS = 600_000;

// The long form is its own command: npm run chaos -- --store sqlite --kills 500. That a run finds what is lost is shown by
// `--without-sync commit --is-loss-expected`, which .ci/run calls for each store.

test('over 4 kills at random moments on SQLite nothing is lost, and no more comes twice than was in flight', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  check(await run(t, 'sqlite', 4, 1));
});

test('over 2 kills of two instances on a PostgreSQL that is killed too, it is the same', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  check(await run(t, 'postgres', 2, 2));
});

function seedOf(t: TestContext): number {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  return seed;
}

async function run(t: TestContext, store: StoreKind, kills: number, instances: number): Promise<ChaosReport> {
  const seed = seedOf(t);
  if (impossible) t.diagnostic(`without power cuts: ${impossible}`);
  const powerCuts = impossible ? 0 : 1;
  const report = await chaosRun({ store, kills, powerCuts, instances, seed });
  t.diagnostic(JSON.stringify(report));
  return report;
}

function check(report: ChaosReport): void {
  const { kills, accepted, acknowledged, uncertain, duplicates, inFlight } = report;
  assert.ok(accepted > 2 * kills, `only ${accepted} events were accepted: the run shows nothing`);
  assert.ok(
    acknowledged + uncertain > kills,
    `only ${acknowledged + uncertain} answers were sent: the run shows nothing`,
  );
  assert.deepEqual(sayFindings(report), []);
  assert.ok(duplicates <= inFlight, `${duplicates} duplicates, but only ${inFlight} were in flight at the faults`);
}
