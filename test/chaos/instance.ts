import { setTimeout as pause } from 'node:timers/promises';
import { type Exit, type SpawnedService, spawnService } from '../support/service-process.ts';

/** How a clean stop went. */
export interface Stop {
  readonly code: number | null;
  readonly tookMs: number;
}

const RESTART_DELAY_MS = 100;
const START_MAX_MS = 60_000;

/**
 * One instance of the service, a process of its own that is started again whenever it has ended, as a supervisor does.
 *
 * It may be killed, stopped and frozen; what ends it beside that is told in `died`, except that it may fail to start
 * while the database is away.
 */
export class Instance {
  readonly name: string;
  /** What it said when it ended without being asked to: must be empty. */
  readonly died: string[] = [];
  readonly #configFile: string;
  readonly #isStoreAway: () => boolean;
  #service: SpawnedService;
  #ports: { readonly api: number; readonly operator: number } | undefined;
  #isAsked = false;
  #isEnding = false;
  #running = Promise.withResolvers<void>();
  readonly #ended: Promise<void>;

  constructor(name: string, configFile: string, isStoreAway: () => boolean) {
    this.name = name;
    this.#configFile = configFile;
    this.#isStoreAway = isStoreAway;
    this.#service = spawnService(configFile);
    this.#ended = this.#supervise();
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

  /** SIGTERM, and SIGKILL when it has not ended by then; another is started. */
  async terminate(withinMs: number): Promise<Stop> {
    const service = this.#service;
    const beganMs = performance.now();
    this.#ask();
    service.signal('SIGTERM');
    const late = setTimeout(() => service.signal('SIGKILL'), withinMs);
    const { code } = await service.exited;
    clearTimeout(late);
    return { code, tookMs: Math.round(performance.now() - beganMs) };
  }

  /** SIGSTOP; it does not know that time passes. It must be woken before anything else is done to it. */
  freeze(): void {
    this.#service.signal('SIGSTOP');
  }

  wake(): void {
    this.#service.signal('SIGCONT');
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
      const wasStoreAway = this.#isStoreAway();
      service.running.then(
        ({ apiUrl, operatorUrl }) => this.#isNowRunning(service, apiUrl, operatorUrl),
        () => undefined,
      );
      const exit = await service.exited;
      const mayFail = this.#ports === undefined && (wasStoreAway || this.#isStoreAway());
      this.#notRunning();
      if (!this.#isAsked && !mayFail) this.died.push(sayExit(this.name, exit));
      if (this.#isEnding) return;
      if (!this.#isAsked) await pause(RESTART_DELAY_MS);
      this.#isAsked = false;
      this.#service = spawnService(this.#configFile);
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
