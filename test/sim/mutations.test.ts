import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFinds, SEEDS_PER_MUTANT } from './finds.ts';
import { MUTANTS } from './mutations.ts';
import { runSeed } from './seed.ts';

// Those that few worlds show are in mutations.long.test.ts.
describeFinds(MUTANTS.filter(({ isRare }) => !isRare));

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
