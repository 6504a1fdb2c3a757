import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/** The command line of this checkout. */
export const BIN = 'packages/service/bin/tidings.js';
const LAST_LINES_MAX = 10;

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last of what it logged, and what it wrote to standard error. */
  readonly lastWords: string;
}

/** `tidings serve` as a process of its own, which may not run yet. */
export interface SpawnedService {
  /** 0 when it could not be spawned. */
  readonly pid: number;
  /** Resolves when it says that it runs, which it does in its log from the level info on; rejects when it ended first. */
  readonly running: Promise<ServiceUrls>;
  readonly exited: Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
}

export interface ServiceUrls {
  readonly apiUrl: string;
  readonly operatorUrl: string;
}

/** `tidings serve` as a process of its own that runs. */
export interface ServiceProcess extends ServiceUrls {
  readonly pid: number;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM. @returns the exit code */
  terminate(): Promise<number | null>;
}

/**
 * Spawns the service.
 *
 * @param nodeArguments for Node itself, such as --cpu-prof
 * @param onLine receives each line of its log
 * @param program of another checkout, in place of this one
 */
export function spawnService(
  configFile: string,
  nodeArguments: readonly string[] = [],
  onLine: (line: string) => void = () => undefined,
  program = BIN,
): SpawnedService {
  const command = [...nodeArguments, program, 'serve', '--config', configFile];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  const lastLines: string[] = [];
  const exited = untilExit(child, lastLines);
  const running = Promise.race([
    firstWords(child, lastLines, onLine),
    exited.then(({ code, lastWords }) => {
      throw new Error(`tidings serve ended with ${code}: ${lastWords}`);
    }),
  ]);
  // Whoever waits for it is told; nobody need.
  running.catch(() => undefined);
  return { pid: child.pid ?? 0, running, exited, signal: (signal) => void child.kill(signal) };
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
  const { pid, running, exited, signal } = spawnService(configFile, nodeArguments);
  const urls = await (ports === undefined ? running : Promise.race([running, untilListening(ports)]));
  return {
    pid,
    ...urls,
    kill: async () => {
      signal('SIGKILL');
      await exited;
    },
    terminate: async () => {
      signal('SIGTERM');
      return (await exited).code;
    },
  };
}

async function untilListening(ports: { readonly api: number; readonly operator: number }): Promise<ServiceUrls> {
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

async function untilExit(child: ChildProcess, lastLines: readonly string[]): Promise<Exit> {
  let complaint = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    complaint += chunk;
  });
  await once(child, 'close');
  const lastWords = [...lastLines, complaint].join('\n');
  return { code: child.exitCode, signal: child.signalCode, lastWords };
}

/** Reads the log to its end, or the pipe fills and the service waits for its own log. */
function firstWords(
  { stdout }: ChildProcess,
  lastLines: string[],
  onLine: (line: string) => void,
): Promise<ServiceUrls> {
  const { promise, resolve } = Promise.withResolvers<ServiceUrls>();
  if (stdout === null) throw new Error('the process has no output');
  let isRunning = false;
  createInterface({ input: stdout }).on('line', (line) => {
    onLine(line);
    lastLines.push(line);
    if (lastLines.length > LAST_LINES_MAX) lastLines.shift();
    if (isRunning || !line.includes('"Tidings runs"')) return;
    const { apiUrl, operatorUrl }: Partial<ServiceUrls> = JSON.parse(line);
    if (apiUrl === undefined || operatorUrl === undefined) return;
    isRunning = true;
    resolve({ apiUrl, operatorUrl });
  });
  return promise;
}
