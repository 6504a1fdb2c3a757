import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASPSP_CHECKS } from '@tidings/conformance';
import { startMutableBank } from './mutant-runner.ts';
import { MUTANTS } from './mutants/all.ts';

// All of them run in `npm run conformance`; these are one of each kind, and wait for nothing.
const CHOSEN = [
  'lets-others-delete',
  'takes-rs256',
  'signs-sets-with-another-key',
  'ignores-maxevents',
  'wraps-the-set-in-json',
];

test('every mutant has a name of its own, and names a check that there is', () => {
  const names = MUTANTS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const ids = new Set(ASPSP_CHECKS.map(({ id }) => id));
  assert.deepEqual(
    MUTANTS.filter(({ caughtBy }) => !ids.has(caughtBy)),
    [],
  );
  assert.ok(MUTANTS.length >= 100, `${MUTANTS.length} mutants`);
});

test('a broken bank fails the check of the rule that it breaks, and passes it when whole', async (t) => {
  const bank = await startMutableBank();
  t.after(() => bank.stop());
  for (const mutant of MUTANTS.filter(({ name }) => CHOSEN.includes(name))) {
    const [broken] = await bank.run(mutant, [mutant.caughtBy]);
    assert.equal(broken?.outcome.kind, 'failed', `${mutant.name}: ${JSON.stringify(broken?.outcome)}`);
  }
  const whole = await bank.run(
    undefined,
    MUTANTS.filter(({ name }) => CHOSEN.includes(name)).map(({ caughtBy }) => caughtBy),
  );
  assert.equal(whole.length, CHOSEN.length);
  assert.deepEqual(
    whole.filter(({ outcome }) => outcome.kind !== 'passed'),
    [],
  );
});
