import { parseArgs } from 'node:util';
import { crashRun } from './crash-run.ts';

// npm run crash -- --kills 200 --seed 7
const { values } = parseArgs({ options: { kills: { type: 'string' }, seed: { type: 'string' } } });
const report = await crashRun({
  kills: Number(values.kills ?? 100),
  seed: Number(values.seed ?? Date.now() % 1_000_000),
  onProgress: (line) => process.stdout.write(`${line}\n`),
});
process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
const { lost, changedNotification, changedBytes, unknown, refused } = report;
process.exitCode = [lost, changedNotification, changedBytes, unknown, refused].every(({ length }) => length === 0)
  ? 0
  : 1;
