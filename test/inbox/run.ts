import process from 'node:process';
import { parseArgs } from 'node:util';
import { inboxChaosRun } from './chaos-run.ts';
import { FAULTS } from './chaos-settings.ts';

const USAGE = `npm run inbox-chaos -- --store sqlite|postgres [--kills N] [--instances N] [--seed S] [--fault FAULT]

Kills the processes of the TPP's durable inbox (SIGKILL) at random moments while a bank pushes to them, and compares what was
acknowledged with what was handled.

  --store      sqlite (one process by default), or postgres (two)
  --kills      default 100
  --instances  processes that share the inbox
  --seed       of the moments; default: another each time. It is printed
  --fault      plants a fault, to see that the run finds it: ${FAULTS.join(', ')}

Exit codes: 0 nothing was found; 1 something was; 2 wrong use.
`;

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'sqlite' },
    kills: { type: 'string', default: '100' },
    instances: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    fault: { type: 'string', default: 'none' },
    help: { type: 'boolean', default: false },
  },
});
const store = (['sqlite', 'postgres'] as const).find((each) => each === values.store);
const fault = FAULTS.find((each) => each === values.fault);
const [kills, seed] = [Number(values.kills), Number(values.seed)];
const instances = Number(values.instances ?? (store === 'postgres' ? 2 : 1));

// Not by the default action of the signals, which would leave the processes running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

if (values.help || store === undefined || fault === undefined || ![kills, instances, seed].every(Number.isInteger)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else {
  const print = (line: string) => void process.stdout.write(`${line}\n`);
  print(`seed ${seed}: ${kills} kills of ${instances} process(es) on ${store}`);
  const report = await inboxChaosRun({ store, kills, instances, seed, fault, onProgress: print });
  print(JSON.stringify(report, undefined, 2));
  const found = Object.entries(report.findings).filter(([, each]) => each.length > 0);
  const names = found.map(([name, each]) => `${each.length} ${name}`).join(', ');
  print(found.length === 0 ? `passed: ${report.acknowledged} acknowledged, each handled once` : `FAILED: ${names}`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
