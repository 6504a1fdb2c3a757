import { setTimeout as pause } from 'node:timers/promises';
import { type Exit, type SpawnedService, spawnService } from '../support/service-process.ts';

/** How a clean stop went. */
export interface Stop {
  readonly code: number | null;
  readonly tookMs: number;
}

/** When one process of an instance lived, by the machine's wall clock. */
export interface Life {
  readonly spawnedAtMs: number;
  readonly endedAtMs: number | undefined;
}

/** What an instance works with. */
export interface InstanceOptions {
  /** Whether the store was away since then, so that an instance which has been starting since could not. */
  readonly wasStoreAwaySince: (sinceMs: number) => boolean;
  /** How long a process got no CPU between two times; see {@link Delays}. All times are `performance.now()`. */
  readonly delayMs: (process: string, fromMs: number, toMs: number) => number;
  /** For the Node.js of its processes. */
  readonly nodeArguments: readonly string[];
  /** The command line that its next process runs. */
  readonly program: () => string;
  /** Receives each line that any of its processes logs. */
  readonly onLine: (line: string) => void;
}

const RESTART_DELAY_MS = 100;
// A bound against waiting for ever: a machine with far more to do than it can takes its time.
const START_MAX_MS = 300_000;
const LATE_LOOK_MS = 200;

/**
 * One instance of the service, a process of its own that is started again whenever it has ended, as a supervisor does.
 *
 * It may be killed, stopped and frozen; what ends it beside that is listed in `died`, except that it may fail to start
 * while the database is away.
 */
export class Instance {
  readonly name: string;
  /** What it said when it ended without being asked to: must be empty. */
  readonly died: string[] = [];
  /** Its processes by their names, which are `name.1`, `name.2` and so on. */
  readonly lives = new Map<string, Life>();
  readonly #writeConfig: (run: number) => string;
  readonly #options: InstanceOptions;
  #service: SpawnedService;
  #ports: { readonly api: number; readonly operator: number } | undefined;
  #isAsked = false;
  #isEnding = false;
  #mayStart = Promise.resolve();
  #running = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;

  /** @param writeConfig writes the configuration of its process of that number, from 1. @returns the file */
  constructor(name: string, writeConfig: (run: number) => string, options: InstanceOptions) {
    this.name = name;
    this.#writeConfig = writeConfig;
    this.#options = options;
    this.#service = this.#spawn();
    this.#ended = this.#supervise();
  }

  /** Process id by the name of the process that runs or starts now; it may have ended a moment ago. */
  get current(): readonly [name: string, pid: number] {
    return [`${this.name}.${this.lives.size}`, this.#service.pid];
  }

  /** Where it listens; undefined while it does not run. */
  get ports(): { readonly api: number; readonly operator: number } | undefined {
    return this.#ports;
  }

  /** Rejects when it does not come to run. */
  async untilRunning(): Promise<void> {
    const late = pause(START_MAX_MS, undefined, { ref: false }).then(() => {
      throw new Error(`${this.name} did not start within ${START_MAX_MS} ms: ${this.died.at(-1) ?? 'it says nothing'}`);
    });
    late.catch(() => undefined);
    await Promise.race([this.#running.promise, late]);
  }

  /** SIGKILL, whatever it is doing. Resolves when the process is gone; another is started. */
  async kill(): Promise<void> {
    const service = this.#service;
    this.#ask();
    service.signal('SIGKILL');
    await service.exited;
  }

  /**
   * SIGTERM, and SIGKILL when it has not ended by then; another is started.
   *
   * @param withinMs without the time in which the machine gave it no CPU
   */
  async terminate(withinMs: number): Promise<Stop> {
    const service = this.#service;
    const beganMs = performance.now();
    this.#ask();
    service.signal('SIGTERM');
    const [name] = this.current;
    const late = setInterval(() => {
      const nowMs = performance.now();
      const delayMs = this.#options.delayMs(name, beganMs, nowMs);
      if (nowMs - beganMs - delayMs > withinMs) service.signal('SIGKILL');
    }, LATE_LOOK_MS);
    const { code } = await service.exited;
    clearInterval(late);
    return { code, tookMs: Math.round(performance.now() - beganMs) };
  }

  /** SIGSTOP; it does not know that time passes. It must be woken before anything else is done to it. */
  freeze(): void {
    this.#service.signal('SIGSTOP');
  }

  wake(): void {
    this.#service.signal('SIGCONT');
  }

  /**
   * Stops it in the middle of whatever it does; another process is started once `cut` is done.
   *
   * @param cut must call `kill`, which ends the stopped process
   */
  async cutPower(cut: (kill: () => Promise<void>) => Promise<void>): Promise<void> {
    const held = Promise.withResolvers<void>();
    this.#mayStart = held.promise;
    this.freeze();
    try {
      await cut(() => this.kill());
    } finally {
      held.resolve();
    }
  }

  /** Stops it for good. */
  async end(withinMs: number): Promise<Stop> {
    this.#isEnding = true;
    const stop = await this.terminate(withinMs);
    await this.#ended;
    return stop;
  }

  /** At once and whatever happens: for when the run itself is ended. */
  killNow(): void {
    this.#isEnding = true;
    this.#service.signal('SIGKILL');
  }

  #spawn(): SpawnedService {
    const run = this.lives.size + 1;
    const life = { spawnedAtMs: Date.now(), endedAtMs: undefined };
    const process = `${this.name}.${run}`;
    this.lives.set(process, life);
    const { nodeArguments, onLine, program } = this.#options;
    const service = spawnService(this.#writeConfig(run), nodeArguments, onLine, program());
    void service.exited.then(() => this.lives.set(process, { ...life, endedAtMs: Date.now() }));
    return service;
  }

  #ask(): void {
    this.#isAsked = true;
    this.#notRunning();
  }

  #notRunning(): void {
    if (this.#ports === undefined) return;
    this.#ports = undefined;
    this.#running = Promise.withResolvers();
  }

  async #supervise(): Promise<void> {
    for (;;) {
      const service = this.#service;
      const spawnedMs = performance.now();
      service.running.then(
        ({ apiUrl, operatorUrl }) => this.#isNowRunning(service, apiUrl, operatorUrl),
        () => undefined,
      );
      const exit = await service.exited;
      const mayFail = this.#ports === undefined && this.#options.wasStoreAwaySince(spawnedMs);
      this.#notRunning();
      if (!this.#isAsked && !mayFail) this.died.push(sayExit(this.name, exit));
      if (this.#isEnding) return;
      if (!this.#isAsked) await pause(RESTART_DELAY_MS);
      await this.#mayStart;
      this.#isAsked = false;
      this.#service = this.#spawn();
    }
  }

  #isNowRunning(service: SpawnedService, apiUrl: string, operatorUrl: string): void {
    // It may have been killed in the moment in which it said so.
    if (service !== this.#service || this.#isAsked) return;
    this.#ports = { api: Number(new URL(apiUrl).port), operator: Number(new URL(operatorUrl).port) };
    this.#running.resolve();
  }
}

function sayExit(name: string, { code, signal, lastWords }: Exit): string {
  return `${name} ended with ${code ?? signal}: ${lastWords}`;
}
