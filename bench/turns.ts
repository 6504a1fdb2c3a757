import { appendFileSync } from 'node:fs';
import { machineNowMs } from './clock.ts';

/**
 * Preloaded into the service (`--import`, with `?file=`). Records each long turn of the event loop in CPU time of the
 * main thread, which other processes on the machine do not lengthen.
 */
const file = new URL(import.meta.url).searchParams.get('file');
const LOOK_MS = 1;
const LONG_MS = 5;

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

if (file !== null) {
  let before = cpuMs();
  const timer = setInterval(() => {
    const took = cpuMs() - before;
    if (took >= LONG_MS) appendFileSync(file, `${Math.round(machineNowMs())} ${took.toFixed(1)}\n`);
    before = cpuMs();
  }, LOOK_MS);
  timer.unref();
}
