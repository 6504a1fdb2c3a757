import { parseArgs } from 'node:util';
import { ASPSP_CHECKS, type CheckResult } from '@tidings/conformance';
import { startPostgres } from '../support/postgres-server.ts';
import { MODES, runOnGoodBank } from './good.ts';
import { startMutableBank } from './mutant-runner.ts';
import { MUTANTS } from './mutants/all.ts';
import type { Mutant } from './mutants/mutant.ts';

const USAGE = `npm run conformance [-- good|mutants] [-- --only NAME,…]

Runs every check of the conformance runner against the project's own service, on SQLite, on PostgreSQL and behind a gateway, and where
it offers less: none may fail. Then breaks the service in many ways, one rule at a time: each has to be caught by the check of that rule.

  good      the service as it is, alone
  mutants   the broken ones, alone
  --only    ids and areas of checks, or names of mutants

Exit codes: 0 as it has to be; 1 a check failed on the good service, or missed a mutant; 2 wrong use.
`;

/** Banks that run at the same time: most of the time of a check is waiting. */
const BANKS_OF_MUTANTS = 2;
const LANES_OF_MODES = 2;
/** Those of retries wait for long, and do not differ. */
const AREAS_OF_MODES = [...new Set(ASPSP_CHECKS.map(({ area }) => area))].filter((area) => !area.includes('retries'));

let found = 0;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Counts what is not as it has to be. */
function look(isGood: boolean, line: string): void {
  if (!isGood) found += 1;
  say(`${isGood ? 'ok   ' : 'WRONG'} ${line}`);
}

function lookAtGood(where: string, results: readonly CheckResult[], durationMs: number): void {
  for (const { id, outcome } of results) {
    if (outcome.kind !== 'passed' && outcome.kind !== 'skipped')
      look(false, `${where}: ${id}: ${JSON.stringify(outcome)}`);
  }
  const passed = results.filter(({ outcome }) => outcome.kind === 'passed').length;
  const reasons = results.flatMap(({ outcome }) => (outcome.kind === 'skipped' ? [outcome.reason] : []));
  look(passed > 0, `${where}: ${passed} of ${results.length} checks pass, in ${Math.round(durationMs / 1000)} s`);
  for (const reason of new Set(reasons)) {
    say(`skip  ${where}: ${reasons.filter((each) => each === reason).length} for the reason: ${reason}`);
  }
}

async function runGood(only: readonly string[]): Promise<void> {
  const postgres = await startPostgres({ isDurable: false });
  try {
    const onSqlite = runOnGoodBank(only);
    const onPostgres = runOnGoodBank(only, { postgresUrl: await postgres.createDatabase() });
    await Promise.all([
      onSqlite.then(({ results, durationMs }) => lookAtGood('on SQLite', results, durationMs)),
      onPostgres.then(({ results, durationMs }) => lookAtGood('on PostgreSQL', results, durationMs)),
      runThroughProxies(only),
      runModes(only),
    ]);
  } finally {
    await postgres.stop();
  }
}

/** Banks that offer less, at which the checks of what they do not offer are skipped. */
async function runModes(only: readonly string[]): Promise<void> {
  const waiting = [...MODES];
  const work = async () => {
    for (let mode = waiting.shift(); mode !== undefined; mode = waiting.shift()) {
      const { results, durationMs } = await runOnGoodBank(only.length === 0 ? AREAS_OF_MODES : only, { mode });
      lookAtGood(mode.name, results, durationMs);
    }
  };
  await Promise.all(Array.from({ length: LANES_OF_MODES }, work));
}

/** The proxies themselves must change nothing that a check sees. */
async function runThroughProxies(only: readonly string[]): Promise<void> {
  const bank = await startMutableBank();
  try {
    const began = performance.now();
    const results = await bank.run(undefined, only);
    lookAtGood('behind a gateway', results, performance.now() - began);
  } finally {
    await bank.stop();
  }
}

async function runMutants(mutants: readonly Mutant[]): Promise<void> {
  const waiting = [...mutants];
  const work = async () => {
    const bank = await startMutableBank();
    try {
      for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
        const [result] = await bank.run(mutant, [mutant.caughtBy]);
        const { outcome } = result ?? {};
        const detail = outcome?.kind === 'failed' ? '' : `: ${JSON.stringify(outcome)}`;
        look(outcome?.kind === 'failed', `${mutant.name} is caught by ${mutant.caughtBy}${detail}`);
      }
    } finally {
      await bank.stop();
    }
  };
  await Promise.all(Array.from({ length: BANKS_OF_MUTANTS }, work));
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', default: '' }, help: { type: 'boolean', default: false } },
});
const only = values.only.split(',').filter((name) => name !== '');
const [what = 'all'] = positionals;
if (values.help || !['all', 'good', 'mutants'].includes(what)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const chosen = MUTANTS.filter(
    ({ name, caughtBy }) => only.length === 0 || only.includes(name) || only.includes(caughtBy),
  );
  await Promise.all([what === 'mutants' ? undefined : runGood(only), what === 'good' ? undefined : runMutants(chosen)]);
  say(`${what === 'good' ? 0 : chosen.length} mutants; ${found} findings`);
  process.exitCode = found === 0 ? 0 : 1;
}
