import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const BIN = 'packages/service/bin/tidings.js';

/** `tidings serve` as a process of its own. */
export interface ServiceProcess {
  readonly pid: number;
  readonly apiUrl: string;
  readonly operatorUrl: string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM. @returns the exit code */
  terminate(): Promise<number | null>;
}

/**
 * Starts the service and waits until it says that it runs, which it does in its log from the level info on; rejects with
 * its last words when it does not.
 *
 * @param ports given for a service that logs less: then it runs when it listens
 * @param nodeArguments for Node itself, such as --cpu-prof
 */
export async function startServiceProcess(
  configFile: string,
  ports?: { readonly api: number; readonly operator: number },
  nodeArguments: readonly string[] = [],
): Promise<ServiceProcess> {
  const command = [...nodeArguments, BIN, 'serve', '--config', configFile];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const said = firstWords(child);
  const { apiUrl, operatorUrl } = await (ports === undefined ? said : Promise.race([said, untilListening(ports)]));
  return {
    // It has said that it runs, so it was spawned.
    pid: child.pid ?? 0,
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

async function untilListening(ports: { readonly api: number; readonly operator: number }) {
  for (;;) {
    const socket = connect(ports.operator, '127.0.0.1');
    const connected = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (connected) {
      return { apiUrl: `https://localhost:${ports.api}`, operatorUrl: `https://localhost:${ports.operator}` };
    }
    await pause(20);
  }
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
    const lines = createInterface({ input: stdout }).on('line', (line) => {
      const entry: { msg?: string; apiUrl?: string; operatorUrl?: string } = JSON.parse(line);
      const { msg, apiUrl, operatorUrl } = entry;
      if (msg !== 'Tidings runs' || apiUrl === undefined || operatorUrl === undefined) return;
      resolve({ apiUrl, operatorUrl });
      lines.close();
      stdout.resume();
    });
  });
}
