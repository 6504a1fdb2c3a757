import { parseArgs } from 'node:util';
import { chaosRun, sayFindings } from './chaos-run.ts';
import { whyNoPowerCuts } from './disk.ts';

const USAGE = `npm run chaos -- --store sqlite|postgres [--kills N] [--power-cuts N] [--instances N] [--seed S] [--json]

Example: npm run chaos -- --store sqlite --kills 200
         npm run chaos -- --store sqlite --kills 0 --power-cuts 2 --without-sync commit --is-loss-expected

Runs the service as real processes, kills them and what they depend on at random, and counts what is lost.

  --store      sqlite (one instance), or postgres
  --kills      SIGKILLs of instances; default 50. Everything else is done in proportion
  --power-cuts of the machine that the store is on; default: a tenth of the kills. They need root and a loop device,
               and are left out with a line that says why where there is none
  --instances  with postgres; default 3
  --without-sync commit|all
               plants a fault, to see that the power cuts show it: the store answers before the disk has what is committed
               (with all, PostgreSQL synchronises nothing at all)
  --is-loss-expected
               turns the exit codes 0 and 1 about: a run that finds nothing shows that it could not have found anything
  --seed       of the schedule; default: another each time. It is printed
  --json       prints the report alone, as JSON

Exit codes: 0 nothing was found; 1 something was; 2 wrong use.
`;

const { values } = read();
const { store, json, 'is-loss-expected': isLossExpected } = values;
const [kills, seed] = [Number(values.kills), Number(values.seed)];
const instances = Number(values.instances ?? (store === 'postgres' ? 3 : 1));
const askedPowerCuts = Number(values['power-cuts'] ?? Math.ceil(kills / 10));
const withoutSync = (['never', 'commit', 'all'] as const).find((one) => one === values['without-sync']);
const isGood =
  withoutSync !== undefined &&
  (store === 'postgres' || (store === 'sqlite' && instances === 1)) &&
  Number.isInteger(instances) &&
  instances > 0 &&
  [kills, askedPowerCuts, seed].every((number) => Number.isInteger(number) && number >= 0);

// Not by the default action of the signals, which would leave the instances running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

if (values.help || !isGood) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const say = (line: string) => void (json || process.stdout.write(`${line}\n`));
  const whyNot = askedPowerCuts === 0 ? undefined : await whyNoPowerCuts();
  if (whyNot !== undefined) say(`no power cuts: ${whyNot}`);
  const powerCuts = whyNot === undefined ? askedPowerCuts : 0;
  say(`seed ${seed}: ${kills} kills, ${powerCuts} power cuts, ${instances} instance(s) on ${store}`);
  if (isLossExpected && powerCuts === 0) {
    say('nothing is shown: only power cuts lose what is not synchronised');
    process.exit(whyNot === undefined ? 2 : 0);
  }
  const report = await chaosRun({
    store: store === 'postgres' ? store : 'sqlite',
    instances,
    kills,
    powerCuts,
    ...(withoutSync !== undefined && { withoutSync }),
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
  process.exitCode = (found.length === 0) === isLossExpected ? 1 : 0;
}

function read() {
  try {
    return parseArgs({
      options: {
        store: { type: 'string', default: 'sqlite' },
        kills: { type: 'string', default: '50' },
        'power-cuts': { type: 'string' },
        instances: { type: 'string' },
        'without-sync': { type: 'string', default: 'never' },
        'is-loss-expected': { type: 'boolean', default: false },
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
