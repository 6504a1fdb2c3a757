import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const BIN = 'packages/service/bin/tidings.js';

/** `tidings serve` as a process of its own. */
export interface ServiceProcess {
  readonly apiUrl: string;
  readonly operatorUrl: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM. @returns the exit code */
  terminate(): Promise<number | null>;
}

/** Starts the service and waits until it says that it runs; rejects with its last words when it does not. */
export async function startServiceProcess(configFile: string): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [BIN, 'serve', '--config', configFile], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const { apiUrl, operatorUrl } = await firstWords(child);
  return {
    apiUrl,
    operatorUrl,
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
    terminate: async () => {
      child.kill('SIGTERM');
      await exited;
      return child.exitCode;
    },
  };
}

function firstWords(child: ChildProcess): Promise<{ apiUrl: string; operatorUrl: string }> {
  return new Promise((resolve, reject) => {
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the process has no output');
    let complaint = '';
    stderr.on('data', (chunk: Buffer) => {
      complaint += chunk;
    });
    child.once('exit', (code) => reject(new Error(`tidings serve ended with ${code}: ${complaint}`)));
    // Read to the end, or the pipe fills and the service waits for its own log.
    createInterface({ input: stdout }).on('line', (line) => {
      const entry: { msg?: string; apiUrl?: string; operatorUrl?: string } = JSON.parse(line);
      const { msg, apiUrl, operatorUrl } = entry;
      if (msg === 'Tidings runs' && apiUrl !== undefined && operatorUrl !== undefined) resolve({ apiUrl, operatorUrl });
    });
  });
}
