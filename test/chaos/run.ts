import { parseArgs } from 'node:util';
import { chaosRun, sayFindings } from './chaos-run.ts';

const USAGE = `npm run chaos -- --store sqlite|postgres [--kills N] [--instances N] [--seed S] [--json]

Runs the service as real processes, kills them and what they depend on at random, and counts what is lost.

  --store      sqlite (one instance), or postgres
  --kills      SIGKILLs of instances; default 50. Everything else is done in proportion
  --instances  with postgres; default 3
  --seed       of the schedule; default: another each time. It is printed
  --json       prints the report alone, as JSON

Exit codes: 0 nothing was found; 1 something was; 2 wrong use.
`;

const { values } = read();
const { store, json } = values;
const [kills, seed] = [Number(values.kills), Number(values.seed)];
const instances = Number(values.instances ?? (store === 'postgres' ? 3 : 1));
const isGood =
  (store === 'postgres' || (store === 'sqlite' && instances === 1)) &&
  [kills, instances].every((count) => Number.isInteger(count) && count > 0) &&
  Number.isInteger(seed);

// Not by the default action of the signals, which would leave the instances running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

if (values.help || !isGood) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const say = (line: string) => void (json || process.stdout.write(`${line}\n`));
  say(`seed ${seed}: ${kills} kills, ${instances} instance(s) on ${store}`);
  const report = await chaosRun({
    store: store === 'postgres' ? store : 'sqlite',
    instances,
    kills,
    seed,
    onProgress: say,
  });
  const found = sayFindings(report);
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
  const { accepted, duplicates, inFlight } = report;
  say(
    found.length === 0
      ? `passed: ${accepted} accepted, none lost, ${duplicates} duplicates, ${inFlight} in flight at the faults`
      : `FAILED, seed ${seed}:\n${found.join('\n')}`,
  );
  process.exitCode = found.length === 0 ? 0 : 1;
}

function read() {
  try {
    return parseArgs({
      options: {
        store: { type: 'string', default: 'sqlite' },
        kills: { type: 'string', default: '50' },
        instances: { type: 'string' },
        seed: { type: 'string', default: String(Date.now() % 1_000_000) },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}
