import { parseArgs } from 'node:util';
import { runSeed } from './seed.ts';

// npm run sim -- --seeds 5000 --from 1; npm run sim -- --seed 17 --trace
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});
const from = Number(values.seed ?? values.from);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
const began = performance.now();
let shown = began;
for (let done = 0; done < seeds; done += 1) {
  const report = await runSeed({ seed: from + done, isTraced: values.trace });
  if (values.trace) console.log(report.trace.join('\n'));
  if (report.breach !== undefined) {
    console.log(report.text);
    process.exitCode = 1;
    break;
  }
  const now = performance.now();
  if (now - shown < 1000 && done + 1 < seeds) continue;
  shown = now;
  const perSecond = ((done + 1) * 1000) / (now - began);
  const leftSeconds = Math.round((seeds - done - 1) / perSecond);
  console.log(`${done + 1} of ${seeds} seeds, ${perSecond.toFixed(1)} a second, ${leftSeconds} s left`);
}
