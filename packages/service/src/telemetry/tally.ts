import type { CountName, Tally } from '../model/activity.ts';
import { attemptClassOf } from '../model/attempt.ts';
import type { Occurrence } from './observer.ts';

/** In place of a client_id that nobody is registered under: ids that are made up are not counted by themselves. */
export const NOBODY = '';

/** Takes what is counted, of one TPP each time. */
export interface Counter {
  count(clientId: string, name: CountName): void;
  /** An acknowledgement came that long after publishing. */
  latency(clientId: string, latencyMs: number): void;
}

/** Counts what happened. */
export function countHappening(occurrence: Occurrence, counter: Counter): void {
  if (occurrence.kind === 'published') countPublished(occurrence, counter);
  else if (occurrence.kind === 'attempted') countAttempted(occurrence, counter);
  else if (occurrence.kind === 'polled') countPolled(occurrence, counter);
  else if (occurrence.kind === 'recovered') counter.count(occurrence.clientId, 'recovered');
}

function countPublished({ events, result }: Occurrence & { kind: 'published' }, counter: Counter): void {
  if (result.kind === 'conflict') return;
  for (const [at, outcome] of result.outcomes.entries()) {
    const isUnknown = outcome.kind === 'none' && outcome.reason === 'unknown-client';
    const clientId = isUnknown ? NOBODY : (events[at]?.clientId ?? NOBODY);
    if (outcome.repeated) counter.count(clientId, 'repeated');
    else counter.count(clientId, outcome.kind === 'notification' ? 'accepted' : `none-${outcome.reason}`);
  }
}

function countAttempted({ atMs, record, result }: Occurrence & { kind: 'attempted' }, counter: Counter): void {
  const { clientId, publishedAtMs } = record.claimed;
  const { outcome } = record.attempt;
  counter.count(clientId, `attempts-${attemptClassOf(outcome)}`);
  // Overtaken: it had been acknowledged, and counted, before.
  if (outcome.kind === 'acknowledged' && result !== 'overtaken') {
    counter.count(clientId, 'acknowledged-push');
    counter.latency(clientId, atMs - publishedAtMs);
  }
  if (result === 'became-unresponsive') counter.count(clientId, 'became-unresponsive');
  if (result === 'recovered') counter.count(clientId, 'recovered');
}

function countPolled(
  { atMs, clientId, acknowledged, errors }: Occurrence & { kind: 'polled' },
  counter: Counter,
): void {
  for (const { by, publishedAtMs } of acknowledged) {
    counter.count(clientId, `acknowledged-${by}`);
    counter.latency(clientId, atMs - publishedAtMs);
  }
  for (const _ of errors) counter.count(clientId, 'reported-errors');
}

/** A tally that is counted in. */
export interface MutableTally extends Tally {
  readonly counts: Partial<Record<CountName, number>>;
  readonly latency: Record<string, number>;
}

/** Nothing was counted. */
export const emptyTally = (): MutableTally => ({ counts: {}, latency: {} });

export function addCount({ counts }: MutableTally, name: CountName): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

export function addLatency({ latency }: MutableTally, latencyMs: number): void {
  const bucket = bucketOf(latencyMs);
  latency[bucket] = (latency[bucket] ?? 0) + 1;
}

export function copyTally({ counts, latency }: Tally): MutableTally {
  return { counts: { ...counts }, latency: { ...latency } };
}

/** Adds what another counted. Counts that only a newer version knows come along. */
export function addTally(sum: MutableTally, { counts, latency }: Tally): void {
  addMembers(sum.counts, counts);
  addMembers(sum.latency, latency);
}

function addMembers(sum: Partial<Record<string, number>>, more: Readonly<Partial<Record<string, number>>>): void {
  // Thousands of tallies are added for one answer: a pair for each member would be most of what it costs.
  for (const name of Object.keys(more)) sum[name] = (sum[name] ?? 0) + (more[name] ?? 0);
}

/**
 * A histogram of durations with buckets that grow by a constant factor, so that its error is relative and its size is
 * bounded whatever is put in. Bucket 0 holds what took less than a millisecond; bucket n from {@link GROWTH}^(n-1) up to but
 * without {@link GROWTH}^n milliseconds.
 */
export type Histogram = Readonly<Record<string, number>>;

// What is reported is the geometric middle of a bucket: at most its square root, 8.7 %, off, and 0.5 % for rounding.
const GROWTH = 1.18;
const LN_GROWTH = Math.log(GROWTH);
/** The last bucket takes whatever is longer: some 9 years. */
export const BUCKET_MAX = 160;
/** The largest relative error of a percentile, from a millisecond up. */
export const ERROR_MAX = 0.1;

/** The bucket of a duration. */
export function bucketOf(durationMs: number): number {
  if (!(durationMs >= 1)) return 0;
  return Math.min(Math.floor(Math.log(durationMs) / LN_GROWTH) + 1, BUCKET_MAX);
}

/** The representative duration of a bucket, in milliseconds, with three digits. */
export function middleOf(bucket: number): number {
  return bucket === 0 ? 0 : Number((GROWTH ** (bucket - 0.5)).toPrecision(3));
}

/** How many durations are in it. */
export function countOf(histogram: Histogram): number {
  return Object.values(histogram).reduce((sum, count) => sum + count, 0);
}

/**
 * For each part of all, the duration that so many do not exceed (nearest rank), to within {@link ERROR_MAX}.
 *
 * @param parts rising, above 0 and up to 1
 * @returns undefined when there are no durations
 */
export function percentilesOf(histogram: Histogram, parts: readonly number[]): readonly number[] | undefined {
  const total = countOf(histogram);
  if (total === 0) return undefined;
  // Members that are whole numbers come in their order.
  const buckets = Object.keys(histogram);
  let at = -1;
  let upTo = 0;
  return parts.map((part) => {
    const rank = Math.max(Math.ceil(total * part), 1);
    while (upTo < rank && at < buckets.length - 1) {
      at += 1;
      upTo += histogram[buckets[at] ?? ''] ?? 0;
    }
    return middleOf(Number(buckets[at] ?? 0));
  });
}
