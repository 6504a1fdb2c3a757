import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ChaosReport, chaosRun, sayFindings } from './chaos-run.ts';
import { whyNoPowerCuts } from './disk.ts';
import type { StoreKind } from './schedule.ts';

// The long form is its own command: npm run chaos -- --store sqlite --kills 500

test('over 4 kills at random moments on SQLite nothing is lost, and no more comes twice than was in flight', async (t) => {
  check(await run(t, 'sqlite', 4, 1));
});

test('over 2 kills of two instances on a PostgreSQL that is killed too, it is the same', async (t) => {
  check(await run(t, 'postgres', 2, 2));
});

async function run(t: TestContext, store: StoreKind, kills: number, instances: number): Promise<ChaosReport> {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const whyNot = await whyNoPowerCuts();
  if (whyNot !== undefined) t.diagnostic(`without power cuts: ${whyNot}`);
  const powerCuts = whyNot === undefined ? 1 : 0;
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
