import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';
import type { Clock } from '../base/clock.ts';
import type { Outcome } from '../model/attempt.ts';
import type { Store } from '../store/store.ts';
import { Gauges, type MetricsSources } from './gauges.ts';
import type { Observer, Occurrence } from './observer.ts';

export interface MetricsOptions {
  readonly clock: Clock;
  /** Number of TPPs with series of their own; the others share one, `client_id="other"`. */
  readonly tppsMax: number;
}

/** The metrics of this instance, in the text format of Prometheus. */
export interface Metrics extends Observer {
  readonly onStoreOperation: OnStoreOperation;
  /** Observer of each attempt to send alerts to a destination. */
  readonly onAlertSending: (destination: string, outcome: 'sent' | 'failed') => void;
  /** Observer of each call to a provider of signing keys. */
  readonly onProviderCall: (provider: string, outcome: string, durationMs: number) => void;
  /** Sets the sources; until then their metrics are absent. */
  readFrom(sources: MetricsSources): void;
  readonly contentType: string;
  text(): Promise<string>;
}

// From real time to a callback URL that recovers after a day.
const ACKNOWLEDGED_WITHIN_SECONDS = [
  ...[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  ...[60, 300, 1800, 3600, 21_600, 86_400],
];
const WITHIN_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Makes the metrics, named by the conventions of Prometheus (base units, `_total`), with labels of few values. Counters and
 * histograms count what this instance did since it started. A gauge whose help text says "same at every instance" must be
 * aggregated with `max`, not `sum`.
 */
export function createMetrics({ clock, tppsMax }: MetricsOptions): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const counted = countersIn(registry);
  const clientIds = new BoundedLabels(tppsMax);
  const gauges = new Gauges(registry, { clock, tppsMax });
  let sources: MetricsSources | undefined;
  return {
    record: (occurrence) => count(occurrence, counted, clientIds),
    onStoreOperation: (operation, durationMs, hasFailed) => {
      counted.storeSeconds.observe({ operation }, durationMs / 1000);
      if (hasFailed) counted.storeErrors.inc({ operation });
    },
    onAlertSending: (destination, outcome) => counted.alertSendings.inc({ destination, outcome }),
    onProviderCall: (provider, outcome, durationMs) =>
      counted.providerSeconds.observe({ provider, outcome }, durationMs / 1000),
    readFrom: (given) => {
      sources = given;
    },
    contentType: registry.contentType,
    text: async () => {
      if (sources !== undefined) await gauges.read(sources);
      return registry.metrics();
    },
  };
}

type Counters = ReturnType<typeof countersIn>;

function countersIn(registry: Registry) {
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new Counter<T>({ name, help, labelNames, registers });
  const seconds = <T extends string>(name: string, help: string, buckets: number[], ...labelNames: T[]) =>
    new Histogram<T>({ name, help, buckets, labelNames, registers });
  return {
    events: counter('tidings_events_published_total', 'Published events, by outcome', 'outcome'),
    taken: counter('tidings_intake_records_total', 'Records that an intake took, by outcome', 'source', 'outcome'),
    publishSeconds: seconds(
      'tidings_publish_seconds',
      'Time from reading a publish request to its commit',
      WITHIN_SECONDS,
    ),
    attempts: counter('tidings_attempts_total', 'Delivery attempts, by outcome', 'outcome', 'reason'),
    attemptSeconds: seconds('tidings_attempt_seconds', 'Duration of a delivery attempt', WITHIN_SECONDS, 'outcome'),
    acknowledged: counter('tidings_notifications_acknowledged_total', 'Notifications acknowledged by TPPs', 'by'),
    acknowledgedSeconds: seconds(
      'tidings_publish_to_acknowledge_seconds',
      'Time from the commit of a notification to its acknowledgement by push',
      ACKNOWLEDGED_WITHIN_SECONDS,
    ),
    reported: counter('tidings_reported_errors_total', 'Errors that TPPs reported in polls'),
    turns: counter(
      'tidings_callback_url_turns_total',
      'Callback URLs that began to fail, became unresponsive, or became healthy again',
      'to',
    ),
    takenOver: counter(
      'tidings_leases_taken_over_total',
      'Notifications claimed after the lease of an earlier claim had run out',
    ),
    ...signingCountersIn(registers),
    storeSeconds: seconds(
      'tidings_store_operation_seconds',
      'Duration of a store operation',
      WITHIN_SECONDS,
      'operation',
    ),
    keysNotFetched: counter(
      'tidings_key_fetches_failed_total',
      'Fetches of a JWKS that failed or returned an unusable document, by owner of the keys',
      'of',
    ),
    storeErrors: counter('tidings_store_errors_total', 'Failed store operations', 'operation'),
    alertSendings: counter(
      'tidings_alert_sendings_total',
      'Attempts to send alerts, by destination and outcome',
      'destination',
      'outcome',
    ),
    tppAttempts: counter('tidings_tpp_attempts_total', 'Delivery attempts, by TPP', 'client_id', 'outcome'),
    tppAccepted: counter('tidings_tpp_notifications_total', 'Notifications created, by TPP', 'client_id'),
  };
}

function signingCountersIn(registers: Registry[]) {
  const seconds = <T extends string>(name: string, help: string, ...labelNames: T[]) =>
    new Histogram<T>({ name, help, buckets: WITHIN_SECONDS, labelNames, registers });
  return {
    signatures: new Counter({ name: 'tidings_signatures_total', help: 'SETs signed', registers }),
    signingSeconds: seconds(
      'tidings_signing_seconds',
      'Duration of a signature on the thread pool, or at the provider with the wait for its limits',
    ),
    signingWaitSeconds: seconds('tidings_signing_wait_seconds', 'Time that a signature waits in the signing queue'),
    providerSeconds: seconds(
      'tidings_signing_provider_seconds',
      'Duration of a call to the provider of the signing key; outcome: signed, unavailable, throttled or denied',
      'provider',
      'outcome',
    ),
  };
}

function count(occurrence: Occurrence, counters: Counters, clientIds: BoundedLabels): void {
  switch (occurrence.kind) {
    case 'published':
      countPublished(occurrence, counters, clientIds);
      break;
    case 'publishing-failed':
      counters.events.inc({ outcome: 'failed' }, occurrence.events.length);
      break;
    case 'taken':
      countTaken(occurrence, counters);
      break;
    case 'attempted':
      countAttempt(occurrence, counters, clientIds);
      break;
    case 'turned':
      counters.turns.inc({ to: occurrence.turn.to });
      break;
    case 'polled':
      for (const { by } of occurrence.acknowledged) counters.acknowledged.inc({ by });
      counters.reported.inc(occurrence.errors.length);
      break;
    case 'taken-over':
      counters.takenOver.inc(occurrence.count);
      break;
    case 'keys-not-fetched':
      counters.keysNotFetched.inc({ of: occurrence.of });
      break;
    case 'signed':
      counters.signatures.inc();
      counters.signingSeconds.observe(occurrence.durationMs / 1000);
      counters.signingWaitSeconds.observe(occurrence.waitedMs / 1000);
      break;
  }
}

function countPublished(
  { events, result, durationMs }: Occurrence & { kind: 'published' },
  counters: Counters,
  clientIds: BoundedLabels,
): void {
  counters.publishSeconds.observe(durationMs / 1000);
  if (result.kind === 'conflict') {
    counters.events.inc({ outcome: 'conflict' }, events.length);
    return;
  }
  for (const [at, outcome] of result.outcomes.entries()) {
    const event = events[at];
    const name = outcome.kind === 'none' ? outcome.reason : 'notification';
    counters.events.inc({ outcome: outcome.repeated ? 'repeated' : name });
    const isNew = outcome.kind === 'notification' && !outcome.repeated;
    if (isNew && event !== undefined) counters.tppAccepted.inc({ client_id: clientIds.labelOf(event.clientId) });
  }
}

function countTaken({ source, counts }: Occurrence & { kind: 'taken' }, { taken }: Counters): void {
  taken.inc({ source, outcome: 'published' }, counts.published);
  taken.inc({ source, outcome: 'repeated' }, counts.repeated);
  taken.inc({ source, outcome: 'passed-over' }, counts.passedOver);
  taken.inc({ source, outcome: 'dead' }, counts.dead);
}

function countAttempt(
  { record, result }: Occurrence & { kind: 'attempted' },
  counters: Counters,
  clientIds: BoundedLabels,
): void {
  const { claimed, attempt } = record;
  const { outcome, durationMs } = attempt;
  counters.attempts.inc({ outcome: outcome.kind, reason: reasonOf(outcome) });
  counters.attemptSeconds.observe({ outcome: outcome.kind }, durationMs / 1000);
  counters.tppAttempts.inc({ client_id: clientIds.labelOf(claimed.clientId), outcome: outcome.kind });
  if (result === 'became-unresponsive') counters.turns.inc({ to: 'unresponsive' });
  if (result === 'recovered') counters.turns.inc({ to: 'healthy' });
  if (outcome.kind !== 'acknowledged' || result === 'overtaken') return;
  counters.acknowledged.inc({ by: 'push' });
  const acknowledgedAtMs = attempt.startedAtMs + durationMs;
  counters.acknowledgedSeconds.observe(Math.max(acknowledgedAtMs - claimed.publishedAtMs, 0) / 1000);
}

/** A label with few values: the class of the status, or of the error. */
function reasonOf(outcome: Outcome): string {
  if (outcome.kind === 'acknowledged') return '202';
  if (outcome.kind === 'unreachable') return outcome.errorClass;
  return outcome.status === 410 || outcome.status === 429
    ? String(outcome.status)
    : `${Math.floor(outcome.status / 100)}xx`;
}

/** The label of all values beyond the limit. */
export const OTHER = 'other';

/** Limits the number of values of a label: the first `max` values keep their own as long as the process runs. */
export class BoundedLabels {
  readonly #max: number;
  readonly #known = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  /** @returns the value itself, or {@link OTHER} */
  labelOf(value: string): string {
    if (this.#known.has(value)) return value;
    if (this.#known.size >= this.#max) return OTHER;
    this.#known.add(value);
    return value;
  }
}

/** Observer of each completed store operation. */
export type OnStoreOperation = (operation: string, durationMs: number, hasFailed: boolean) => void;

/** Wraps a store so that each operation is timed. */
export function observedStore(store: Store, clock: Pick<Clock, 'monotonicMs'>, onOperation: OnStoreOperation): Store {
  const timed = new Map<string | symbol, unknown>();
  return new Proxy(store, {
    get: (target, name) => {
      const known = timed.get(name);
      if (known !== undefined) return known;
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function' || typeof name === 'symbol') return member;
      const call = (...values: unknown[]): unknown => {
        const beganMs = clock.monotonicMs();
        const answer: unknown = Reflect.apply(member, target, values);
        if (!(answer instanceof Promise)) return answer;
        const done = (hasFailed: boolean) => () => onOperation(name, clock.monotonicMs() - beganMs, hasFailed);
        answer.then(done(false), done(true));
        return answer;
      };
      timed.set(name, call);
      return call;
    },
  });
}
