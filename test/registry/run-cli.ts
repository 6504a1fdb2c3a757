import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { onlyEnvironment } from '../support/command.ts';

/** The command line, from the root of the project. */
export const BIN = 'packages/service/bin/tidings.js';

/** How a run of the command line ended. */
export interface CliRun {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `tidings` as a process of its own, with nothing of the environment but what is given. */
export async function runCli(
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
