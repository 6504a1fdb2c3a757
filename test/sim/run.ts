import { parseArgs } from 'node:util';
import { commandFor, freshStart, runSeed } from './seed.ts';

// npm run sim -- --seeds 5000, from a seed that is another one each time
// npm run sim -- --seeds 5000 --from 1
// npm run sim -- --seed 17 --trace
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

const PROGRESS_MS = 1000;

function whole(name: string, value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new Error(`--${name} must be a whole number`);
  return Number(value);
}

const seeds = values.seed === undefined ? whole('seeds', values.seeds) : 1;
const [name, given] = values.seed === undefined ? ['from', values.from] : ['seed', values.seed];
const from = given === undefined ? freshStart(seeds) : whole(name, given);
console.log(`seeds ${from} to ${from + seeds - 1}; the same once more: ${commandFor(seeds, from)}`);
const began = performance.now();
let shown = began;
for (let done = 1; done <= seeds; done += 1) {
  const report = await runSeed({ seed: from + done - 1, isTraced: values.trace });
  if (values.trace) console.log(report.trace.join('\n'));
  if (report.breach !== undefined) {
    console.log(report.text);
    process.exitCode = 1;
    break;
  }
  const now = performance.now();
  if (now - shown < PROGRESS_MS && done < seeds) continue;
  shown = now;
  const perSecond = (done * 1000) / (now - began);
  const leftSeconds = Math.round((seeds - done) / perSecond);
  console.log(`${done} of ${seeds} seeds, ${perSecond.toFixed(1)} a second, ${leftSeconds} s left, nothing broken`);
}
