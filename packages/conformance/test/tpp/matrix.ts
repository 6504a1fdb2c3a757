import { parseArgs } from 'node:util';
import type { Report } from '../../src/model.ts';
import { TPP_CHECKS } from '../../src/tpp/checks.ts';
import type { Mutant } from '../support/mutant.ts';
import { MUTANTS } from '../support/mutants.ts';
import { notPassed, testReceiver } from '../support/tpp-run.ts';

// npm run conformance-tpp: every check against the good receiver and against every broken one. The tests run each broken one
// against the checks that have to catch it; this also shows what else notices it.

const USAGE = `npm run conformance-tpp [-- --only NAME,…]

Runs every check of a callback URL against a good receiver, on which none may fail, and against ${MUTANTS.length} with one fault
each, which the checks of their rules have to catch. Shows which other checks notice them.

  --only    names of broken receivers, or ids of the checks that catch them

Exit codes: 0 as it has to be; 1 a check failed on the good receiver, or missed a broken one; 2 wrong use.
`;

let findings = 0;

function look(isGood: boolean, line: string): void {
  if (!isGood) findings += 1;
  process.stdout.write(`${isGood ? 'ok   ' : 'WRONG'} ${line}\n`);
}

function idsNotPassed({ results }: Report): string[] {
  return results.flatMap(({ id, outcome }) => (outcome.kind === 'failed' || outcome.kind === 'error' ? [id] : []));
}

async function lookAtGood(): Promise<void> {
  const report = await testReceiver({});
  look(idsNotPassed(report).length === 0, `the good receiver: ${notPassed(report).join('; ')}`);
}

async function lookAtMutant({ name, caughtBy, habits, settings }: Mutant): Promise<void> {
  const report = await testReceiver(typeof habits === 'function' ? await habits() : habits, { settings });
  const failed = report.results.flatMap(({ id, outcome }) => (outcome.kind === 'failed' ? [id] : []));
  const isCaught = caughtBy.every((id) => failed.includes(id));
  const others = idsNotPassed(report).filter((id) => !caughtBy.includes(id));
  const noticed = others.length > 20 ? `${others.length} of ${TPP_CHECKS.length} others` : others.join(', ');
  look(
    isCaught,
    `${name} is caught by ${caughtBy.join(', ')}${others.length === 0 ? '' : `; also not passed: ${noticed}`}`,
  );
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
});
if (values.help || positionals.length > 0) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const only = values.only.split(',').filter((name) => name !== '');
  const isChosen = ({ name, caughtBy }: Mutant) =>
    only.length === 0 || [name, ...caughtBy].some((each) => only.includes(each));
  const chosen = MUTANTS.filter(isChosen);
  await lookAtGood();
  for (const mutant of chosen) await lookAtMutant(mutant);
  process.stdout.write(`${chosen.length} broken receivers; ${findings} findings\n`);
  process.exitCode = findings === 0 ? 0 : 1;
}
