import { parseArgs } from 'node:util';
import { benchPolling } from './polling.ts';

const USAGE = `npm run bench -- polling [--seconds S] [--sizes 10000,1000000] [--json]

polling   100 TPPs poll 100 SETs at a time from stores of 10,000 and 1,000,000 awaiting notifications, and
          replace their registrations with full signature work. Minutes long: a million events are published.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string' }, sizes: { type: 'string' }, json: { type: 'boolean' } },
});
if (positionals[0] === 'polling') {
  const say = (line: string) => void process.stderr.write(`${line}\n`);
  const sizes = values.sizes?.split(',').map(Number);
  const report = await benchPolling({ seconds: Number(values.seconds ?? 20), say, ...(sizes && { sizes }) });
  process.stdout.write(`${JSON.stringify(report, undefined, values.json === true ? undefined : 2)}\n`);
} else {
  process.stderr.write(USAGE);
  process.exitCode = 2;
}
