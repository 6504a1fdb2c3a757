import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Mutant } from './mutations.ts';
import { runSeed } from './seed.ts';

/** What a fault that was put in may take to be found. */
export const SEEDS_PER_MUTANT = 400;

/** Defines a test for each fault that is put in: some world shows it, and the oracle says which rule is broken. */
export function describeFinds(mutants: readonly Mutant[]): void {
  describe('the simulation finds', { concurrency: 1 }, () => {
    for (const { name, breach, make } of mutants) {
      test(name, async (t) => {
        for (let seed = 1; seed <= SEEDS_PER_MUTANT; seed += 1) {
          const report = await runSeed({ seed, mutation: make() });
          if (report.breach === undefined) continue;
          t.diagnostic(`seed ${seed}: ${report.breach}`);
          assert.match(report.breach, breach);
          return;
        }
        assert.fail(`no seed up to ${SEEDS_PER_MUTANT} found it`);
      });
    }
  });
}
