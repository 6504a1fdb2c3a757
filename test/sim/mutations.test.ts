import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MUTANTS } from './mutations.ts';
import { runSeed } from './seed.ts';

// What a fault that was put in may take to be found.
const SEEDS_PER_MUTANT = 400;

describe('the simulation finds', { concurrency: 1 }, () => {
  for (const { name, breach, make } of MUTANTS) {
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

test('a breach is reported with its seed, its script and the command that replays it', async () => {
  const [mutant] = MUTANTS;
  for (let seed = 1; seed <= SEEDS_PER_MUTANT; seed += 1) {
    const report = await runSeed({ seed, ...(mutant && { mutation: mutant.make() }) });
    if (report.breach === undefined) continue;
    assert.match(report.text, new RegExp(`^seed ${seed}: at \\d+`));
    assert.match(report.text, /"kind":"publish"/);
    assert.ok(report.text.endsWith(`npm run sim -- --seed ${seed} --trace`));
    return;
  }
  assert.fail('nothing was found');
});
