import { type TestContext, test } from 'node:test';
import { checkRun, TIMEOUT_MS } from './checked-run.ts';
import { whyNoPowerCuts } from './disk.ts';

const impossible = (await whyNoPowerCuts()) ?? false;

// A run of any length is a command: npm run chaos -- --store sqlite --kills 500. That a run finds what is lost is shown by
// `--without-sync commit --is-loss-expected`, which .ci/run calls for each store.

test('over 4 kills at random moments on SQLite nothing is lost, and no more comes twice than was in flight', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  await checkRun(t, { store: 'sqlite', kills: 4, instances: 1, powerCuts: powerCuts(t) });
});

test('over 2 kills of two instances on a PostgreSQL that is killed too, it is the same', {
  timeout: TIMEOUT_MS,
}, async (t) => {
  await checkRun(t, { store: 'postgres', kills: 2, instances: 2, powerCuts: powerCuts(t) });
});

function powerCuts(t: TestContext): number {
  if (impossible) t.diagnostic(`without power cuts: ${impossible}`);
  return impossible ? 0 : 1;
}
