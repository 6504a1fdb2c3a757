import type { CountName, Tally } from '../model/activity.ts';
import { attemptClassOf } from '../model/attempt.ts';
import type { Occurrence } from './observer.ts';

/** Stands for all client_ids that are not registered, so that made-up ids take no room. */
export const NOBODY = '';

/** Receives the counts of one TPP at a time. */
export interface Counter {
  count(clientId: string, name: CountName): void;
  /** The time from publishing to acknowledgement. */
  latency(clientId: string, latencyMs: number): void;
}

/** Counts an occurrence. */
export function countOccurrence(occurrence: Occurrence, counter: Counter): void {
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
  // `overtaken`: it was acknowledged, and counted, before.
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

/** A tally that can be added to. */
export interface MutableTally extends Tally {
  readonly counts: Partial<Record<CountName, number>>;
  readonly latency: Record<string, number>;
}

/** A tally without counts. */
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

/** Adds one tally to another, including counts that only a newer version knows. */
export function addTally(sum: MutableTally, { counts, latency }: Tally): void {
  addMembers(sum.counts, counts);
  addMembers(sum.latency, latency);
}

function addMembers(sum: Partial<Record<string, number>>, more: Readonly<Partial<Record<string, number>>>): void {
  // Thousands of tallies are added for one answer; `Object.entries` would take most of the time.
  for (const name of Object.keys(more)) sum[name] = (sum[name] ?? 0) + (more[name] ?? 0);
}

/**
 * A histogram of durations with buckets that grow by a constant factor, so that its relative error and its size are bounded.
 * Bucket 0 holds durations below a millisecond; bucket n those of at least {@link GROWTH}^(n-1) and less than {@link GROWTH}^n
 * milliseconds.
 */
export type Histogram = Readonly<Record<string, number>>;

// The geometric middle of a bucket is reported: its error is at most 8.7 % (the root of GROWTH), and 0.5 % for rounding.
const GROWTH = 1.18;
const LN_GROWTH = Math.log(GROWTH);
/** The last bucket, which also holds all longer durations (9 years and more). */
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

/** The number of durations in a histogram. */
export function countOf(histogram: Histogram): number {
  return Object.values(histogram).reduce((sum, count) => sum + count, 0);
}

/**
 * Percentiles of a histogram (nearest rank), to within {@link ERROR_MAX}.
 *
 * @param parts the percentiles as fractions, rising, above 0 and up to 1
 * @returns in milliseconds; undefined when there are no durations
 */
export function percentilesOf(histogram: Histogram, parts: readonly number[]): readonly number[] | undefined {
  const total = countOf(histogram);
  if (total === 0) return undefined;
  // JavaScript orders integer keys by their value.
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
