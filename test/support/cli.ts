import { AsyncLocalStorage } from 'node:async_hooks';
import { Readable } from 'node:stream';
import { main } from '@tidings/service/cli';

/** How a run of the command line ended. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

type Printed = Record<'stdout' | 'stderr', string>;

const printing = new AsyncLocalStorage<Printed>();
let isCatching = false;
let last: Promise<unknown> = Promise.resolve();

/**
 * Runs `tidings` in this process, which costs a tenth of a process of its own, with nothing of the environment but what
 * is given. Runs wait for each other: they have one environment and one exit code. What depends on a process, such as
 * standard input, signals, closed pipes and commands that stay, is tested with those of command.ts.
 */
export function runCli(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<CliRun> {
  const run = last.then(() => runAlone(args, environment));
  last = run.catch(() => undefined);
  return run;
}

async function runAlone(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<CliRun> {
  catchOutput();
  const printed: Printed = { stdout: '', stderr: '' };
  const { env, exitCode } = process;
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin');
  const before = SIGNALS.map((signal) => process.listeners(signal));
  const exits = process.listeners('exit');
  process.env = { ...environment };
  process.exitCode = undefined;
  Object.defineProperty(process, 'stdin', { configurable: true, value: Readable.from([]) });
  try {
    const code = await printing.run(printed, () => main(args));
    return { code, ...printed };
  } finally {
    process.env = env;
    process.exitCode = exitCode;
    // A process ends with them; this one goes on.
    for (const [at, signal] of SIGNALS.entries()) {
      for (const each of process.listeners(signal)) if (!before[at]?.includes(each)) process.off(signal, each);
    }
    for (const each of process.listeners('exit')) if (!exits.includes(each)) process.off('exit', each);
    if (stdin !== undefined) Object.defineProperty(process, 'stdin', stdin);
  }
}

/** What a run prints goes to the run; what else is printed, such as the report of the tests, goes on as before. */
function catchOutput(): void {
  if (isCatching) return;
  isCatching = true;
  for (const name of ['stdout', 'stderr'] as const) {
    const stream = process[name];
    const write = stream.write.bind(stream);
    stream.write = (chunk: string | Uint8Array, ...more: never[]) => {
      const printed = printing.getStore();
      if (printed === undefined) return write(chunk, ...more);
      printed[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return true;
    };
  }
}
