import { dirname } from 'node:path';
import { Gauge, type Registry } from 'prom-client';
import { withTimeout } from '../base/async.ts';
import type { Clock } from '../base/clock.ts';
import { freeBytesOf } from '../base/disk.ts';
import { callbackUrlStateOf } from '../model/callback-url.ts';
import type { IntakeStatus } from '../model/intake.ts';
import type { DeliveryStates, TroubledTarget } from '../store/operations.ts';
import type { Store } from '../store/store.ts';

/** Sources that are read only at a scrape. */
export interface MetricsSources {
  readonly store: Pick<
    Store,
    | 'counts'
    | 'deliveryStates'
    | 'troubledTargets'
    | 'oldestAwaitingAtMs'
    | 'oldestAwaiting'
    | 'unsentAlertMessages'
    | 'connections'
  >;
  readonly longPollsHeld: () => number;
  /** Why this instance does not sign with the current key; undefined when it does. */
  readonly signingKeyProblem: () => string | undefined;
  /** False when this instance has no key that it may sign with. */
  readonly canSign: () => boolean;
  /** When the first certificate of each setting expires. */
  readonly expiriesMs: () => ReadonlyMap<string, number>;
  /** Those of the configuration; messages to others wait for nobody. */
  readonly alertDestinations: () => readonly { readonly name: string }[];
  /** The intake of this instance; undefined: it has none, or it is not started yet. */
  readonly intake: () => IntakeStatus | undefined;
  /** Limits of publishing, and where the store is. */
  readonly config: {
    readonly publishing: { readonly awaitingMax: number; readonly diskFreeBytesMin: number };
    readonly store: { readonly file?: string };
  };
}

export interface GaugesOptions {
  readonly clock: Clock;
  /** Most TPPs with series of their own. */
  readonly tppsMax: number;
}

// Scrapes usually time out after ten seconds.
const READ_MS = 2000;

// Of a large backlog no more is counted: it is enough to be alarmed.
const COUNTED_MAX = 10_000;

/** The metrics that are read from the store and from other components at a scrape. */
export class Gauges {
  readonly #options: GaugesOptions;
  readonly #gauges: ReturnType<typeof gaugesIn>;

  constructor(registry: Registry, options: GaugesOptions) {
    this.#options = options;
    this.#gauges = gaugesIn(registry, options.tppsMax);
  }

  /** Leaves out the metrics of a store that does not answer; `tidings_store_up` tells. */
  async read(sources: MetricsSources): Promise<void> {
    const { up, longPolls, keyProblem, connections, ofStore } = this.#gauges;
    longPolls.set(sources.longPollsHeld());
    keyProblem.set(sources.signingKeyProblem() === undefined ? 0 : 1);
    this.#setIntake(sources.intake());
    await this.#readLimits(sources);
    const used = sources.store.connections();
    if (used !== undefined) for (const [state, value] of Object.entries(used)) connections.set({ state }, value);
    const reading = readStore(sources.store, this.#options.tppsMax);
    const read = await withTimeout(this.#options.clock, READ_MS, reading).catch(() => undefined);
    up.set(read === undefined ? 0 : 1);
    for (const gauge of Object.values(ofStore)) gauge.reset();
    if (read === undefined) for (const gauge of [ofStore.awaiting, ofStore.oldest]) gauge.remove();
    else {
      this.#set(read);
      for (const { name } of sources.alertDestinations()) {
        ofStore.alertsUnsent.set({ destination: name }, read.unsentAlerts.get(name) ?? 0);
      }
    }
  }

  #setIntake(intake: IntakeStatus | undefined): void {
    const { ofIntake } = this.#gauges;
    for (const gauge of Object.values(ofIntake)) gauge.reset();
    if (intake === undefined) return;
    const { source, state, lag } = intake;
    ofIntake.up.set({ source }, state === 'reading' ? 1 : 0);
    if (lag !== undefined) ofIntake.lag.set({ source }, lag);
  }

  async #readLimits({ canSign, expiriesMs, config }: MetricsSources): Promise<void> {
    const { ofLimits } = this.#gauges;
    ofLimits.canSign.set(canSign() ? 1 : 0);
    ofLimits.expiry.reset();
    for (const [setting, atMs] of expiriesMs()) ofLimits.expiry.set({ setting }, atMs / 1000);
    const { publishing, store } = config;
    ofLimits.awaitingMax.set(publishing.awaitingMax);
    ofLimits.diskFreeMin.set(publishing.diskFreeBytesMin);
    const folder = store.file === undefined ? undefined : dirname(store.file);
    const freeBytes = folder === undefined ? undefined : await freeBytesOf(folder).catch(() => undefined);
    if (freeBytes === undefined) ofLimits.diskFree.remove();
    else ofLimits.diskFree.set(freeBytes);
  }

  #set({ awaiting, states, troubled, oldestAtMs, oldestOfTpps }: StoreReadings): void {
    const { ofStore } = this.#gauges;
    const nowMs = this.#options.clock.nowMs();
    const ageOf = (atMs: number | undefined) => (atMs === undefined ? 0 : Math.max(nowMs - atMs, 0) / 1000);
    ofStore.awaiting.set(awaiting);
    ofStore.oldest.set(ageOf(oldestAtMs));
    for (const [state, count] of Object.entries(states)) ofStore.tpps.set({ state }, count);
    for (const target of troubled) {
      const labels = { client_id: target.clientId, state: callbackUrlStateOf(target) };
      ofStore.tppFailing.set(labels, ageOf(target.failingSinceMs ?? target.unresponsiveSinceMs));
      ofStore.tppFailures.set(labels, target.failures);
      ofStore.tppAwaiting.set(labels, Math.min(target.awaiting, COUNTED_MAX));
    }
    for (const [clientId, atMs] of oldestOfTpps) ofStore.tppOldest.set({ client_id: clientId }, ageOf(atMs));
  }
}

/** Facts of the store at a scrape. */
interface StoreReadings {
  readonly awaiting: number;
  readonly states: DeliveryStates;
  readonly troubled: readonly TroubledTarget[];
  readonly oldestAtMs: number | undefined;
  readonly oldestOfTpps: ReadonlyMap<string, number>;
  readonly unsentAlerts: ReadonlyMap<string, number>;
}

async function readStore(store: MetricsSources['store'], tppsMax: number): Promise<StoreReadings> {
  const [{ awaiting }, states, troubled, oldestAtMs, oldestOfTpps, unsentAlerts] = await Promise.all([
    store.counts(),
    store.deliveryStates(),
    store.troubledTargets(tppsMax, COUNTED_MAX),
    store.oldestAwaitingAtMs(),
    store.oldestAwaiting(tppsMax),
    store.unsentAlertMessages(),
  ]);
  return { awaiting, states, troubled, oldestAtMs, oldestOfTpps, unsentAlerts };
}

function gaugesIn(registry: Registry, tppsMax: number) {
  const gauge: MakeGauge = (name, help, ...labelNames) => new Gauge({ name, help, labelNames, registers: [registry] });
  const most = `of the ${tppsMax} failing or unresponsive TPPs with most awaiting; same at every instance`;
  return {
    up: gauge('tidings_store_up', 'Whether the store answers'),
    connections: gauge(
      'tidings_store_connections',
      'Connections to the database, and requests waiting for one',
      'state',
    ),
    keyProblem: gauge('tidings_signing_key_problem', '1 when this instance cannot sign with the current signing key'),
    longPolls: gauge('tidings_long_polls_waiting', 'Long polls held open'),
    ofLimits: limitGaugesIn(gauge),
    ofIntake: {
      up: gauge('tidings_intake_up', 'Whether the intake reads: it is connected, and the store takes events', 'source'),
      lag: gauge(
        'tidings_intake_lag_records',
        'Records of the partitions of this instance that are not committed yet',
        'source',
      ),
    },
    ofStore: {
      alertsUnsent: gauge(
        'tidings_alert_messages_unsent',
        'Messages about alerts that their destination has not accepted yet; same at every instance',
        'destination',
      ),
      awaiting: gauge('tidings_notifications_awaiting', 'Awaiting notifications; same at every instance'),
      oldest: gauge(
        'tidings_oldest_awaiting_age_seconds',
        'Age of the oldest awaiting notification, 0 when there is none; same at every instance',
      ),
      tpps: gauge(
        'tidings_tpps',
        'TPPs that registered something, by the state of their deliveries; same at every instance',
        'state',
      ),
      tppFailing: gauge(
        'tidings_tpp_failing_seconds',
        `Time since the first attempt failed after the last acknowledgement, ${most}`,
        'client_id',
        'state',
      ),
      tppFailures: gauge(
        'tidings_tpp_failures',
        `Failed attempts since the last acknowledgement, ${most}`,
        'client_id',
        'state',
      ),
      tppAwaiting: gauge(
        'tidings_tpp_awaiting',
        `Awaiting notifications, counted up to ${COUNTED_MAX}, ${most}`,
        'client_id',
        'state',
      ),
      tppOldest: gauge(
        'tidings_tpp_oldest_awaiting_age_seconds',
        `Age of the oldest awaiting notification of a TPP, of the ${tppsMax} TPPs with the oldest; same at every instance`,
        'client_id',
      ),
    },
  };
}

type MakeGauge = <T extends string>(name: string, help: string, ...labelNames: T[]) => Gauge<T>;

/** How near this instance is to its limits. */
function limitGaugesIn(gauge: MakeGauge) {
  return {
    canSign: gauge('tidings_can_sign', '1 when this instance has a key that it may sign with'),
    expiry: gauge(
      'tidings_certificate_expiry_timestamp_seconds',
      'When the first certificate in the file of a setting expires',
      'setting',
    ),
    awaitingMax: gauge(
      'tidings_notifications_awaiting_max',
      'Number of awaiting notifications from which publishing is refused',
    ),
    diskFree: gauge('tidings_store_disk_free_bytes', 'Free space on the disk of the SQLite store'),
    diskFreeMin: gauge('tidings_store_disk_free_bytes_min', 'Free space below which publishing is refused'),
  };
}
