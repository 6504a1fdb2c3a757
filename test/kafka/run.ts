import process from 'node:process';
import { parseArgs } from 'node:util';
import { whyNoBroker } from './broker.ts';
import { kafkaChaosRun } from './chaos-run.ts';

const USAGE = `npm run kafka-chaos -- [--kills N] [--instances N] [--seed S]

Kills instances of the service, and a real Kafka broker, while events and poison records are written to a topic that the
instances read into a PostgreSQL. In the end there must be one notification for each event id. Needs Java, and Maven the first time.

  --kills      default 100
  --instances  that share the topic; default 2
  --seed       of the moments; default: another each time. It is printed

Exit codes: 0 nothing was found, or there is no broker (it says so); 1 something was; 2 wrong use.
`;

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    instances: { type: 'string', default: '2' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    help: { type: 'boolean', default: false },
  },
});
const [kills, instances, seed] = [Number(values.kills), Number(values.instances), Number(values.seed)];
const print = (line: string) => void process.stdout.write(`${line}\n`);

// Not by the default action of the signals, which would leave the processes running.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const impossible = whyNoBroker();
if (values.help || ![kills, instances, seed].every(Number.isInteger)) {
  process.stderr.write(USAGE);
  process.exitCode = values.help ? 0 : 2;
} else if (impossible !== undefined) {
  print(`skipped: ${impossible}`);
} else {
  print(`seed ${seed}: ${kills} kills of ${instances} instances and the broker`);
  const report = await kafkaChaosRun({ kills, instances, seed, onProgress: print });
  print(JSON.stringify(report, undefined, 2));
  const found = Object.entries(report.findings).filter(([, each]) => each.length > 0);
  const names = found.map(([name, each]) => `${each.length} ${name}`).join(', ');
  print(found.length === 0 ? `passed: ${report.events} events, one notification each` : `FAILED: ${names}`);
  process.exitCode = found.length === 0 ? 0 : 1;
}
