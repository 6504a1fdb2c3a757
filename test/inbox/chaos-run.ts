import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { makeParticipant, until } from '@tidings/testing';
import { seededRandom } from '../chaos/random.ts';
import { type ChaosBank, startBank } from './chaos-bank.ts';
import { makeDatabase, type ObservedDatabase } from './chaos-database.ts';
import type { ChaosSettings, Fault } from './chaos-settings.ts';
import { BANK_ORG_ID, CLIENT_ID, ISSUER } from './notifications.ts';

/** Options of a run. */
export interface InboxChaosOptions {
  readonly store: 'sqlite' | 'postgres';
  /** SIGKILLs of the processes. */
  readonly kills: number;
  /** Processes that share the inbox. */
  readonly instances: number;
  readonly seed: number;
  readonly fault?: Fault;
  onProgress?(line: string): void;
}

/** The ledger of a run. Every list must be empty. */
export interface InboxChaosReport {
  readonly seed: number;
  readonly kills: number;
  readonly pushed: number;
  readonly acknowledged: number;
  readonly repeatedPushes: number;
  /** Pushes without an answer at the moments of the kills. */
  readonly inFlightAtKills: number;
  /** Attempts beyond the first of each notification: ended by a kill, or failed on purpose. */
  readonly repeatedAttempts: number;
  readonly findings: {
    /** Answered 202, and not handled. */
    readonly lost: readonly string[];
    /** Effects that are committed more than once. */
    readonly repeated: readonly string[];
    /** Effects without their notification marked as handled, or only half of them. */
    readonly torn: readonly string[];
    /** Statuses other than 202. */
    readonly refused: readonly number[];
    /** Processes that ended without being killed. */
    readonly died: readonly string[];
  };
}

const PROCESS = fileURLToPath(new URL('chaos-process.ts', import.meta.url));
// A process is killed this long after it was started or became ready.
const KILLED_AFTER_MS_MAX = 250;
// So that a run shows something on a slow machine too.
const ACKNOWLEDGED_AFTER_KILLS_MIN = 20;
const KILLED_WHILE_STARTING_SHARE = 0.1;

/** Kills the processes of an inbox at random moments while a bank pushes, and compares what it kept with what it answered. */
export async function inboxChaosRun(options: InboxChaosOptions): Promise<InboxChaosReport> {
  const { store, kills, instances, seed, fault = 'none', onProgress } = options;
  const random = seededRandom(seed);
  const bankParty = await makeParticipant(BANK_ORG_ID, 'bank-key-1');
  const observed = await makeDatabase(store, fault === 'writes-beside');
  const expected = { issuer: ISSUER, signer: BANK_ORG_ID, clientId: CLIENT_ID, jwk: bankParty.jwk };
  const ports = await Promise.all(Array.from({ length: instances }, freePort));
  const processes = ports.map((port) => new Victim({ database: observed.database, port, fault, expected }));
  try {
    await Promise.all(processes.map((each) => each.start()));
    const bank = startBank(bankParty, random, () => random.pick(ports) ?? 0);
    let inFlightAtKills = 0;
    for (let kill = 1; kill <= kills; kill += 1) {
      const victim = random.pick(processes);
      if (random.fraction() >= KILLED_WHILE_STARTING_SHARE) await victim?.ready;
      await new Promise((resolve) => setTimeout(resolve, random.whole(0, KILLED_AFTER_MS_MAX)));
      inFlightAtKills += bank.inFlight;
      await victim?.kill();
      void victim?.start();
      if (kill % 10 === 0) onProgress?.(`${kill} kills, ${bank.acknowledged.size} acknowledged`);
    }
    await Promise.all(processes.map((each) => each.ready));
    const enough = bank.acknowledged.size + ACKNOWLEDGED_AFTER_KILLS_MIN;
    await until(() => bank.acknowledged.size >= enough, 'the processes to go on');
    await bank.finish();
    await until(async () => (await observed.waiting()) === 0, 'the inbox to be empty');
    return await reportOf({ seed, kills, inFlightAtKills }, bank, observed, processes);
  } finally {
    await Promise.all(processes.map((each) => each.kill()));
    await observed.close();
  }
}

async function reportOf(
  counted: { readonly seed: number; readonly kills: number; readonly inFlightAtKills: number },
  bank: ChaosBank,
  observed: ObservedDatabase,
  processes: readonly Victim[],
): Promise<InboxChaosReport> {
  const states = await observed.states();
  const handled = new Set(states.filter(({ state }) => state === 'handled').map(({ jti }) => jti));
  const counts = new Map<string, number>();
  for (const line of await observed.lines()) counts.set(line, (counts.get(line) ?? 0) + 1);
  const lines = [...handled].flatMap((jti) => [`${jti} 1`, `${jti} 2`]);
  const whole = new Set(lines);
  return {
    ...counted,
    pushed: bank.pushed.size,
    acknowledged: bank.acknowledged.size,
    repeatedPushes: bank.repeated,
    repeatedAttempts: states.reduce((total, { attempts }) => total + attempts - 1, 0),
    findings: {
      lost: [...bank.acknowledged].filter((jti) => !handled.has(jti)),
      repeated: [...counts].filter(([, count]) => count > 1).map(([line]) => line),
      torn: [...lines.filter((line) => !counts.has(line)), ...[...counts.keys()].filter((line) => !whole.has(line))],
      refused: bank.refused,
      died: processes.flatMap((each) => each.died),
    },
  };
}

/** One process of the inbox, started again after each kill. */
class Victim {
  readonly #settings: ChaosSettings;
  readonly died: string[] = [];
  #child: ChildProcess | undefined;
  /** Resolves when the process receives. */
  ready: Promise<unknown> = Promise.resolve();

  constructor(settings: ChaosSettings) {
    this.#settings = settings;
  }

  async start(): Promise<void> {
    const child = fork(PROCESS, [JSON.stringify(this.#settings)], {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child = child;
    child.on('exit', (code, signal) => {
      if (signal !== 'SIGKILL') this.died.push(`code ${code}, signal ${signal}`);
    });
    this.ready = Promise.race([once(child, 'message'), once(child, 'exit')]);
    await this.ready;
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}
