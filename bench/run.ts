import { parseArgs } from 'node:util';
import type { StoreKind } from './bench-store.ts';
import type { Report } from './report.ts';
import type { BenchOptions } from './rig.ts';

// A bench is loaded when it runs: they load half a bank, which --help and wrong usage need not wait for.

const USAGE = `npm run bench -- throughput|latency|isolation|burst|backlog [--store sqlite|postgres] [--seconds S] [--json]
npm run bench -- compare [--seconds S] [--rate N] [--json]
npm run bench -- polling [--seconds S] [--sizes 10000,1000000] [--json]
npm run bench -- operator [--store sqlite|postgres] [--notifications N] [--json]
npm run bench -- console [--seconds S] [--rate N] [--json]
npm run bench -- stops [--store sqlite|postgres] [--awaiting N] [--only TEXTS] [--json]
npm run soak -- [--store sqlite|postgres] [--seconds S] [--rate N] [--slope-max-kib K] [--json]

The real service as a process of its own, with its defaults, publishing over the operator's HTTP API, and 50 TPPs, each
with a callback URL of its own origin over TLS, in one receiver process. All share the machine; ratios are to the
machine's own signing limit, measured before and after.

throughput  as fast as the service accepts, 20 s
latency     evenly paced at half of that, 20 s: publish to 202
isolation   evenly paced at a quarter of that, in turn with none and with 5 TPPs that never answer, 40 s in all
burst       evenly paced at a quarter of that, with and without 600 polls of another TPP at once
backlog     the same number of deliveries from 10,000 and from 1,000,000 awaiting. Minutes long
compare     throughput, CPU, memory and latency at 1,100 a second on both stores, in one table in Markdown
polling     100 TPPs poll 100 SETs at a time from stores of 10,000 and 1,000,000 awaiting notifications, and
            replace their registrations with full signature work. Minutes long: a million events are published

operator    every kind of search and the other lists of the operator API, 200 times each, with the query plans, on a
            store of 1,000,000 (SQLite) or 3,000,000 (PostgreSQL) notifications. Minutes long

stops       one TPP has 100,000 notifications awaiting, and each operation that concerns all of them is made three times:
            how long the event loop stands still, how long publishing waits for another and for the same TPP, and when it
            is answered. A quarter of an hour long

console     the frames that the live view of the console draws in Chromium at 500 events a second, 20 s

soak        30 min of good requests with abusive ones among them: malformed, without token or with a wrong certificate,
            oversized, slow, silent, abandoned. Fails when memory of the service grows after its warm-up, a good request
            is not served, abuse is answered with 2xx or 5xx, or a notification is lost

--store       sqlite (the default) or postgres, which starts a server of its own
--seconds     how long is measured
--rate        notifications a second, for latency, isolation and burst; left out, throughput is measured first. For compare: 1100. For soak: 20; for console: 500
--batch       events in a publish, for throughput: 100
--outstanding accepted and not yet delivered at most, for throughput: 5000
--sizes       two numbers of awaiting notifications, for backlog and polling: 10000,1000000
--notifications how many, for operator
--awaiting    how many, for stops: 100000
--only        operations with one of these texts, separated by commas, in their names, for stops
--slope-max-kib memory of the service may grow by so many KiB a second, for soak: 10
--signer-ms   duration of a signature by a provider of the signing key (@tidings/signer-vault with its defaults); left out, the
              key is in a file. For throughput, latency, isolation and burst
--log-level   of the service: info, its default, writes a line for each attempt
--profile     a folder for CPU profiles of service, receiver and publisher; slows them down somewhat
--json        one JSON object and nothing else on standard output

Exit codes: 0 measured, whether or not a figure is met; 1 something was lost, repeated or wrong, or a soak failed; 2 wrong
usage.
`;

const FLAGS = {
  store: { type: 'string', default: 'sqlite' },
  seconds: { type: 'string' },
  rate: { type: 'string' },
  batch: { type: 'string' },
  outstanding: { type: 'string' },
  sizes: { type: 'string' },
  notifications: { type: 'string' },
  awaiting: { type: 'string' },
  only: { type: 'string', default: '' },
  'signer-ms': { type: 'string' },
  'log-level': { type: 'string', default: 'info' },
  'slope-max-kib': { type: 'string' },
  profile: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

class UsageError extends Error {}

function readArguments() {
  try {
    return parseArgs({ allowPositionals: true, options: FLAGS });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

type Flags = ReturnType<typeof readArguments>['values'];

function positive(
  flags: Flags,
  name: 'seconds' | 'rate' | 'batch' | 'outstanding' | 'notifications' | 'awaiting' | 'signer-ms' | 'slope-max-kib',
): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`--${name} must be a number above 0`);
  return value;
}

function sizesOf({ sizes }: Flags): readonly number[] | undefined {
  const numbers = sizes?.split(',').map(Number);
  if (numbers !== undefined && (numbers.length !== 2 || numbers.some((size) => !(size > 0)))) {
    throw new UsageError('--sizes must be two numbers, as in 10000,1000000');
  }
  return numbers;
}

function storeOf({ store }: Flags): StoreKind {
  if (store !== 'sqlite' && store !== 'postgres') throw new UsageError('--store must be sqlite or postgres');
  return store;
}

const BENCHES: Readonly<Record<string, (common: BenchOptions, flags: Flags) => Promise<Report>>> = {
  throughput: async (common, flags) => {
    const batch = positive(flags, 'batch');
    const outstandingMax = positive(flags, 'outstanding');
    const { benchThroughput } = await import('./throughput.ts');
    return await benchThroughput({ ...common, ...(batch && { batch }), ...(outstandingMax && { outstandingMax }) });
  },
  latency: async (common, flags) =>
    (await import('./latency.ts')).benchLatency({ ...common, perSecond: positive(flags, 'rate') }),
  isolation: async (common, flags) =>
    (await import('./isolation.ts')).benchIsolation({ ...common, perSecond: positive(flags, 'rate') }),
  burst: async (common, flags) =>
    (await import('./burst.ts')).benchBurst({ ...common, perSecond: positive(flags, 'rate') }),
  backlog: async (common, flags) => {
    const sizes = sizesOf(flags);
    const { BACKLOG_SIZES, benchBacklog } = await import('./backlog.ts');
    return await benchBacklog({ ...common, sizes: sizes ?? BACKLOG_SIZES });
  },
};

const COMPARED_PER_SECOND = 1100;
const CONSOLE_PER_SECOND = 500;
const SOAK_SECONDS = 1800;
const SOAK_PER_SECOND = 20;
const SLOPE_MAX_KIB = 10;

const say = (line: string) => void process.stderr.write(`${line}\n`);

async function main(): Promise<number> {
  const { values: flags, positionals } = readArguments();
  const [name = '', ...others] = positionals;
  if (flags.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (name === 'compare') return runCompare(flags);
  if (name === 'polling') return runPolling(flags);
  if (name === 'operator') return runOperator(flags);
  if (name === 'console') return runConsole(flags);
  if (name === 'stops') return runStops(flags);
  if (name === 'soak') return runSoak(flags);
  const bench = BENCHES[name];
  if (bench === undefined || others.length > 0) throw new UsageError('name one bench');
  const seconds = positive(flags, 'seconds');
  const { profile: profileFolder, 'log-level': logLevel } = flags;
  const signerMs = positive(flags, 'signer-ms');
  const { asJson, asText, isSound } = await import('./report.ts');
  const report = await bench({ store: storeOf(flags), seconds, logLevel, profileFolder, signerMs, say }, flags);
  process.stdout.write(flags.json ? `${JSON.stringify(asJson(report))}\n` : asText(report));
  if (profileFolder !== undefined) (await import('./profile.ts')).printProfiles(profileFolder, report, say);
  return isSound(report) ? 0 : 1;
}

async function runCompare(flags: Flags): Promise<number> {
  const perSecond = positive(flags, 'rate') ?? COMPARED_PER_SECOND;
  const { compareStores, comparisonText } = await import('./compare.ts');
  const seconds = positive(flags, 'seconds');
  const comparison = await compareStores({
    perSecond,
    seconds,
    logLevel: flags['log-level'],
    profileFolder: undefined,
    say,
  });
  process.stdout.write(flags.json ? `${JSON.stringify(comparison)}\n` : comparisonText(comparison));
  return comparison.isSound ? 0 : 1;
}

async function runPolling(flags: Flags): Promise<number> {
  const sizes = sizesOf(flags);
  const seconds = positive(flags, 'seconds') ?? 20;
  const { benchPolling } = await import('./polling.ts');
  const report = await benchPolling({ seconds, say, ...(sizes && { sizes }) });
  process.stdout.write(`${JSON.stringify(report, undefined, flags.json ? undefined : 2)}\n`);
  return 0;
}

async function runOperator(flags: Flags): Promise<number> {
  const store = storeOf(flags);
  const given = positive(flags, 'notifications');
  const { benchOperator, OPERATOR_NOTIFICATIONS, operatorText } = await import('./operator.ts');
  const notifications = given ?? OPERATOR_NOTIFICATIONS[store];
  const report = await benchOperator({ store, notifications, say });
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : operatorText(report));
  return 0;
}

async function runConsole(flags: Flags): Promise<number> {
  const seconds = positive(flags, 'seconds') ?? 20;
  const perSecond = positive(flags, 'rate') ?? CONSOLE_PER_SECOND;
  const { benchConsole, consoleText } = await import('./console.ts');
  const report = await benchConsole({ seconds, perSecond });
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : consoleText(report));
  return 0;
}

async function runStops(flags: Flags): Promise<number> {
  const store = storeOf(flags);
  const given = positive(flags, 'awaiting');
  const { benchStops, STOPS_AWAITING, stopsText } = await import('./stops.ts');
  const report = await benchStops({ store, awaiting: given ?? STOPS_AWAITING, only: flags.only.split(','), say });
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : stopsText(report));
  return 0;
}

async function runSoak(flags: Flags): Promise<number> {
  const options = {
    store: storeOf(flags),
    logLevel: flags['log-level'],
    profileFolder: flags.profile,
    say,
    seconds: positive(flags, 'seconds') ?? SOAK_SECONDS,
    perSecond: positive(flags, 'rate') ?? SOAK_PER_SECOND,
    slopeMaxBytesPerSecond: (positive(flags, 'slope-max-kib') ?? SLOPE_MAX_KIB) * 1024,
  };
  const { soak, soakText } = await import('./soak.ts');
  const report = await soak(options);
  process.stdout.write(flags.json ? `${JSON.stringify(report)}\n` : soakText(report));
  return report.findings.length === 0 ? 0 : 1;
}

// Also terminates the child processes.
process.once('SIGTERM', () => process.exit(143));
process.once('SIGINT', () => process.exit(130));

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
