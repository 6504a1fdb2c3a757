import { once, startInterval } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { ALERT_KINDS, type AlertCondition, type AlertKind, type MessageKind } from '../model/alert.ts';
import type { AlertStore } from '../store/alerts.ts';
import type { SendResult } from './channel.ts';
import { type OwnFacts, ownConditions, type SharedFacts, sharedConditions } from './conditions.ts';
import type { Destination } from './destinations.ts';
import { testMessage } from './message.ts';
import { type SendingOptions, sendDue } from './sending.ts';

/** Where the facts come from. */
export interface AlertSources {
  /** `isComplete` false: there are more callback URLs that do not acknowledge than are given. */
  readonly shared: () => Promise<SharedFacts & { readonly isComplete: boolean }>;
  readonly own: (instance: string) => Promise<OwnFacts>;
}

/** Dependencies of alerts. */
export interface AlertsOptions {
  readonly notify: Config['notify'];
  readonly destinations: readonly Destination[];
  readonly sources: AlertSources;
  readonly store: AlertStore;
  /** Unique to this process. */
  readonly holder: string;
  /** True: no other instance uses the store. */
  readonly isAlone: boolean;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly onSending?: SendingOptions['onSending'];
}

/** A destination as operators see it. */
export interface DestinationStatus {
  readonly name: string;
  readonly type: Destination['type'];
  readonly kinds: readonly MessageKind[];
}

/** Examines conditions, and tells people and systems; see {@link createAlerts}. */
export interface Alerts {
  /** Begins. @param instance name of this instance, for people */
  start(instance: string): void;
  destinations(): readonly DestinationStatus[];
  /** Sends a test message to a destination at once, and once. */
  test(destination: string): Promise<SendResult>;
  /** Goes on with other settings and destinations. */
  replace(notify: Config['notify'], destinations: readonly Destination[]): Promise<void>;
  /** Ends sendings that are under way: what was not accepted is sent after the next start. May be called more than once. */
  stop(): Promise<void>;
}

/** Kinds that one instance examines for all. */
const SHARED_KINDS: readonly AlertKind[] = ['tpp-failing', 'tpp-unresponsive', 'backlog', 'store-nearly-full'];
const TPP_KINDS: readonly AlertKind[] = ['tpp-failing', 'tpp-unresponsive'];
/** Kinds that an instance learns of only with time: what it has not seen since it was started is not over. */
const LEARNED_KINDS: readonly AlertKind[] = ['tpp-certificate-expires', 'tpp-revoked'];
const LEARNING_MS = 7_200_000;
// An instance that misses this many rounds has stopped, or is stuck.
const ROUNDS_MISSED_MAX = 3;
const STALE_MS_MIN = 60_000;
const DROPPED_MAX = 1000;

/**
 * Every `notify.evaluateMs`, finds out what is wrong and stores it: what is new is raised, what no longer holds is cleared, and
 * messages are created with that. Then sends what is due. One instance at a time examines what concerns all of them; each
 * examines itself. Nothing waits for it: it runs beside deliveries, and a destination that hangs delays no other.
 */
export function createAlerts(options: AlertsOptions): Alerts {
  const { clock, log } = options;
  const alerter = new Alerter(options);
  let end = async (): Promise<void> => undefined;
  return {
    start: (instance) => {
      end = startInterval(clock, {
        everyMs: options.notify.evaluateMs,
        isImmediate: true,
        work: () => alerter.round(instance),
        onError: (error) => log.warn({ err: error }, 'alerts could not be examined; the next round continues'),
      });
    },
    destinations: () => alerter.destinations.map(({ name, type, kinds }) => ({ name, type, kinds })),
    test: (name) => alerter.test(name),
    replace: (notify, destinations) => alerter.replace(notify, destinations),
    stop: once(async () => {
      const ended = end();
      await alerter.stop();
      await ended;
    }),
  };
}

class Alerter {
  readonly #options: AlertsOptions;
  readonly #startedAtMs: number;
  readonly #underWay = new Map<string, Promise<void>>();
  #notify: Config['notify'];
  #heldBefore: ReadonlySet<string> = new Set();
  #isStopped = false;
  destinations: readonly Destination[];

  constructor(options: AlertsOptions) {
    this.#options = options;
    this.#notify = options.notify;
    this.destinations = options.destinations;
    this.#startedAtMs = options.clock.nowMs();
  }

  async round(instance: string): Promise<void> {
    const { store, clock, isAlone, holder } = this.#options;
    const nowMs = clock.nowMs();
    const leaseUntilMs = nowMs + this.#staleMs();
    const isLeader = isAlone || (await store.leaseAlerts(holder, nowMs, leaseUntilMs));
    await this.#examine(instance, nowMs, isLeader);
    if (!isLeader) return;
    await store.dropAlerts(nowMs - this.#notify.keptMs, DROPPED_MAX);
    for (const destination of this.destinations) this.#begin(destination);
  }

  async test(name: string): Promise<SendResult> {
    const { clock } = this.#options;
    const destination = this.destinations.find((each) => each.name === name);
    if (destination === undefined) return { kind: 'failed', error: 'there is no such destination' };
    const nowMs = clock.nowMs();
    return await destination.channel.send(`test-${nowMs}`, [testMessage(name, nowMs, this.#notify)]);
  }

  async replace(notify: Config['notify'], destinations: readonly Destination[]): Promise<void> {
    const before = this.destinations;
    this.#notify = notify;
    this.destinations = destinations;
    await Promise.all(before.map(({ channel }) => channel.close()));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.destinations.map(({ channel }) => channel.close()));
    await Promise.all(this.#underWay.values());
  }

  async #examine(instance: string, nowMs: number, isLeader: boolean): Promise<void> {
    const { store, sources, isAlone } = this.#options;
    const moment = { ...this.#notify, nowMs, heldBefore: this.#heldBefore };
    const conditions: AlertCondition[] = [...ownConditions(await sources.own(instance), moment)];
    let examined: readonly AlertKind[] = [];
    const isLearning = nowMs - this.#startedAtMs < LEARNING_MS;
    if (isLeader) {
      const { isComplete, ...facts } = await sources.shared();
      conditions.push(...sharedConditions(facts, moment));
      const unknown = [...(isComplete ? [] : TPP_KINDS), ...(isLearning ? LEARNED_KINDS : [])];
      examined = (isAlone ? ALERT_KINDS : SHARED_KINDS).filter((kind) => !unknown.includes(kind));
    }
    // Others may not have reported yet since this process started; if it is alone, there are none.
    const staleMs = this.#staleMs();
    const isSettled = isLeader && nowMs - this.#startedAtMs > staleMs && !(isAlone && isLearning);
    const unseenSinceMs = isSettled ? nowMs - staleMs : undefined;
    await store.reportAlerts({ conditions, examined, unseenSinceMs, destinations: this.destinations }, nowMs);
    this.#heldBefore = new Set(conditions.map(({ key }) => key));
  }

  #staleMs(): number {
    return Math.max(this.#notify.evaluateMs * ROUNDS_MISSED_MAX, STALE_MS_MIN);
  }

  /** One sending to a destination at a time; nobody waits for it. */
  #begin(destination: Destination): void {
    const { log } = this.#options;
    if (this.#isStopped || this.#underWay.has(destination.name)) return;
    const sending = sendDue(destination, { ...this.#options, ...this.#notify, links: this.#notify })
      .catch((error: unknown) => {
        log.warn({ err: error, destination: destination.name }, 'alerts could not be sent; the next round continues');
      })
      .finally(() => this.#underWay.delete(destination.name));
    this.#underWay.set(destination.name, sending);
  }
}
