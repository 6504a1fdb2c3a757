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
});

test('every check has a mutant that it catches, but those which no proxy can break', () => {
  const caught = new Set(MUTANTS.map(({ caughtBy }) => caughtBy));
  const without = ASPSP_CHECKS.map(({ id }) => id).filter((id) => !caught.has(id));
  // The scope that ACC-06 needs is not there; the others look at TLS (ACC-08, RT-06) and at framing (HTTP-16), which the proxies
  // themselves speak, or at a bank that offers less than this one (SUB-31, POLL-28).
  assert.deepEqual(without, ['ACC-06', 'ACC-08', 'HTTP-16', 'SUB-31', 'POLL-28', 'RT-06']);
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
