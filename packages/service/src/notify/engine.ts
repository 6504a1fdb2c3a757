import type { JwsSigner } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { CallbackClient } from '../net/callback-client.ts';
import type { ClaimedNotification, Store } from '../store/store.ts';
import { deliver } from './deliver.ts';
import { record } from './record.ts';
import type { RetryPolicy } from './retry-policy.ts';
import { ensureSigned } from './sign.ts';

export interface EngineOptions {
  readonly store: Store;
  readonly signer: JwsSigner;
  readonly client: CallbackClient;
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly financialId: string | undefined;
  readonly concurrencyMax: number;
  readonly concurrencyPerTppMax: number;
  readonly leaseMs: number;
}

// How long the engine leaves a store alone that could not answer.
const STORE_PAUSE_MS = 1000;
// Something may fall due between the last look and the alarm; it must not become a busy loop.
const ALARM_MIN_MS = 5;

/**
 * Delivers what is due: claim → sign → deliver → record, each notification on its own, so that nobody waits for a slow
 * TPP: at most `concurrencyPerTppMax` attempts to one TPP are under way. It sleeps until something is due or until it is
 * woken.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #underWay = new Set<Promise<void>>();
  readonly #inFlight = new Map<string, number>();
  readonly #abort = new AbortController();
  #looking: Promise<void> | undefined;
  #lookAgain = false;
  #stopping = false;
  #cancelAlarm: () => void = () => undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  /** Looks for work now: at start, after a publish, when a registration changed. */
  wake(): void {
    if (this.#stopping) return;
    this.#lookAgain = true;
    if (this.#looking !== undefined) return;
    this.#cancelAlarm();
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      // Woken between the last look and here.
      if (this.#lookAgain) this.wake();
    });
  }

  /**
   * Takes no more work and lets what is under way finish; after `graceMs` it is cut off and handed back, without
   * counting as an attempt.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#cancelAlarm();
    const cancelGrace = this.#options.clock.after(graceMs, () => this.#abort.abort());
    await this.#looking;
    await Promise.all(this.#underWay);
    cancelGrace();
  }

  async #look(): Promise<void> {
    const { store, clock, log } = this.#options;
    try {
      while (this.#lookAgain && !this.#stopping) {
        this.#lookAgain = false;
        const claimed = await this.#claim();
        if (claimed.length > 0) this.#lookAgain = true;
        for (const notification of claimed) this.#begin(notification);
      }
      const nextDueAtMs = await store.nextDueAtMs(this.#clientsWithoutRoom());
      if (nextDueAtMs !== undefined) this.#setAlarm(Math.max(nextDueAtMs - clock.nowMs(), ALARM_MIN_MS));
    } catch (error) {
      log.error({ err: error }, 'the store did not answer; deliveries pause');
      this.#lookAgain = false;
      this.#setAlarm(STORE_PAUSE_MS);
    }
  }

  async #claim(): Promise<readonly ClaimedNotification[]> {
    const { store, clock, concurrencyMax, concurrencyPerTppMax, leaseMs } = this.#options;
    const limit = concurrencyMax - this.#underWay.size;
    if (limit <= 0) return [];
    const nowMs = clock.nowMs();
    const claimed = await store.claimDue({
      nowMs,
      leaseMs,
      limit,
      perTppMax: concurrencyPerTppMax,
      inFlight: this.#inFlight,
    });
    if (!this.#stopping) return claimed;
    await store.release(claimed, nowMs);
    return [];
  }

  #setAlarm(delayMs: number): void {
    if (this.#stopping || this.#underWay.size >= this.#options.concurrencyMax) return;
    this.#cancelAlarm = this.#options.clock.after(delayMs, () => this.wake());
  }

  #clientsWithoutRoom(): ReadonlySet<string> {
    const full = [...this.#inFlight].filter(([, count]) => count >= this.#options.concurrencyPerTppMax);
    return new Set(full.map(([clientId]) => clientId));
  }

  #begin(notification: ClaimedNotification): void {
    const { clientId } = notification;
    this.#inFlight.set(clientId, (this.#inFlight.get(clientId) ?? 0) + 1);
    const done = this.#handle(notification).finally(() => {
      this.#underWay.delete(done);
      const left = (this.#inFlight.get(clientId) ?? 1) - 1;
      if (left === 0) this.#inFlight.delete(clientId);
      else this.#inFlight.set(clientId, left);
      this.wake();
    });
    this.#underWay.add(done);
  }

  /** sign → deliver → record. Never rejects: what fails here is tried again when the lease has run out. */
  async #handle(notification: ClaimedNotification): Promise<void> {
    const { store, signer, client, policy, clock, random, log, financialId } = this.#options;
    try {
      const set = await ensureSigned(notification, signer, store, clock.nowMs());
      const abort = this.#abort.signal;
      const { callbackUrl } = notification;
      const delivery = { callbackUrl, set, interactionId: random.uuid(), financialId, abort };
      const attempt = await deliver(delivery, client, clock);
      const nowMs = clock.nowMs();
      if (abort.aborted && attempt.outcome.kind === 'unreachable') await store.release([notification], nowMs);
      else await record(notification, attempt, { store, policy, fraction: random.fraction(), nowMs, log });
    } catch (error) {
      log.error({ err: error, jti: notification.jti }, 'an attempt could not be completed; its lease will run out');
    }
  }
}
