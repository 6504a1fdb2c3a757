import { parseArgs } from 'node:util';
import { checkOut, earlierRevision } from './earlier.ts';
import { upgradeRun } from './upgrade-run.ts';

const USAGE = `npm run upgrade-test -- [--from REVISION] [--store sqlite|postgres] [--seed S]

Upgrades a running service with traffic from an earlier version to this checkout, on each store: one instance on SQLite, two
on PostgreSQL, one after the other. Nothing that was accepted may be lost, and nothing may be sent after its acknowledgement
was recorded.

  --from   a revision in git. Default: the last tagged version; while there is none, that at which the schema was frozen
  --store  one store. Default: both
  --seed   of what is published and how TPPs fail; default: another each time. It is printed

Exit codes: 0 nothing was found, or there is no history to upgrade from; 1 something was; 2 wrong use.
`;

const { values } = read();
const stores = (['sqlite', 'postgres'] as const).filter((one) => values.store === undefined || one === values.store);
const seed = Number(values.seed);
const earlier = earlierRevision(values.from);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

if (values.help || stores.length === 0 || !Number.isInteger(seed)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else if (earlier === undefined && values.from !== undefined) {
  process.stderr.write(`this checkout has no revision ${values.from}\n`);
  process.exitCode = 2;
} else if (earlier === undefined) {
  process.stdout.write('not run: this checkout has no history of git with a revision to upgrade from\n');
} else {
  process.stdout.write(`from ${earlier.revision} (${earlier.why}), seed ${seed}\n`);
  const checkout = checkOut(earlier.revision);
  try {
    for (const store of stores) await upgrade(store, checkout.program);
  } finally {
    checkout.remove();
  }
}

async function upgrade(store: (typeof stores)[number], program: string): Promise<void> {
  const onProgress = (line: string) => void process.stdout.write(`${line}\n`);
  const { findings, ...counts } = await upgradeRun({ store, earlier: program, seed, onProgress });
  process.stdout.write(`${JSON.stringify({ store, ...counts })}\n`);
  const verdict = findings.length === 0 ? 'passed' : `FAILED, seed ${seed}:\n${findings.join('\n')}`;
  process.stdout.write(`${store}: ${verdict}\n`);
  if (findings.length > 0) process.exitCode = 1;
}

function read() {
  try {
    return parseArgs({
      options: {
        from: { type: 'string' },
        store: { type: 'string' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}
