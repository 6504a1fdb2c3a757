import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { CliRun } from './cli.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The command line's program. */
export const BIN = join(ROOT, 'packages', 'service', 'bin', 'tidings.js');

/** Of the environment of a test nothing but this, and where Node.js keeps what it compiled. */
export function onlyEnvironment(environment: Readonly<Record<string, string>>): Record<string, string> {
  const cache = process.env['NODE_COMPILE_CACHE'];
  return { ...environment, ...(cache !== undefined && { NODE_COMPILE_CACHE: cache }) };
}

/** How a process ended, and what it printed. */
export interface Ended {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of the command line that runs. */
export interface Running {
  readonly child: ChildProcess;
  /** What it has printed so far. */
  output(): { stdout: string; stderr: string };
  /** Resolves with the first whole line of standard output that matches; rejects when it ends before. */
  line(pattern: RegExp): Promise<string>;
  readonly ended: Promise<Ended>;
}

export interface CommandOptions {
  /** Where it runs. Default: the root of the repository. */
  readonly cwd?: string;
  /** The Node.js that runs it. Default: that of the test. */
  readonly node?: string;
  /** A command that runs longer is ended, and its test fails. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 30_000;

/** Starts `tidings` with these arguments. */
export function start(args: readonly string[], options: CommandOptions = {}): Running {
  const { cwd = ROOT, node = process.execPath, patienceMs = PATIENCE_MS } = options;
  const child = spawn(node, [BIN, ...args], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  });
  const printed = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  const look = () => {
    for (const each of [...waiting]) each();
  };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      printed[name] += text;
      look();
    });
  }
  let hasEnded = false;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      hasEnded = true;
      look();
      resolve({ code, signal, ...printed });
    });
  });
  const line = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const found = printed.stdout
          .split('\n')
          .slice(0, -1)
          .find((each) => pattern.test(each));
        if (found === undefined && !hasEnded) return;
        waiting.delete(check);
        if (found !== undefined) resolve(found);
        else reject(new Error(`it ended without ${pattern}:\n${printed.stdout}\n${printed.stderr}`));
      };
      waiting.add(check);
      check();
    });
  return { child, output: () => ({ ...printed }), line, ended };
}

/** Runs `tidings` to its end. */
export function run(args: readonly string[], options?: CommandOptions): Promise<Ended> {
  return start(args, options).ended;
}

/** Runs `tidings` to its end, with nothing of the environment but what is given, and a text as standard input. */
export async function runWith(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  input?: string,
): Promise<CliRun> {
  const child = spawn(process.execPath, [BIN, ...args], { env: onlyEnvironment(environment), stdio: 'pipe' });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk;
    });
  }
  child.stdin.end(input);
  const [code] = await once(child, 'close');
  return { code, ...output };
}
