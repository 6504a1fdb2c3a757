import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TPP_CHECKS } from '../../src/tpp/checks.ts';
import { MUTANTS } from '../support/mutants.ts';
import { testReceiver } from '../support/tpp-run.ts';

// Each receiver with one fault, against the checks that have to find it. The command test/tpp/matrix.ts runs every check against
// every one of them.

describe('a receiver that', () => {
  for (const { name, caughtBy, habits, settings } of MUTANTS) {
    test(`${name} fails ${caughtBy.join(', ')}`, async () => {
      const report = await testReceiver(typeof habits === 'function' ? await habits() : habits, {
        only: caughtBy,
        settings,
      });
      const outcomes = report.results.map(({ id, outcome }) => [id, outcome.kind]);
      assert.deepEqual(
        outcomes,
        TPP_CHECKS.filter(({ id }) => caughtBy.includes(id)).map(({ id }) => [id, 'failed']),
        JSON.stringify(report.results.map(({ id, outcome }) => ({ id, ...outcome }))),
      );
    });
  }
});

// A library or server that breaks these would be another program; they are shown by the receivers that keep to them.
const WITHOUT_A_MUTANT = ['TPP-TLS-01', 'TPP-CLM-05', 'TPP-EVT-01'];

test('every check finds a fault', () => {
  const finding = new Set(MUTANTS.flatMap(({ caughtBy }) => caughtBy));
  const others = TPP_CHECKS.map(({ id }) => id).filter((id) => !finding.has(id));
  assert.deepEqual(others.toSorted(), WITHOUT_A_MUTANT.toSorted());
});
