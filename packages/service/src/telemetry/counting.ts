import type { CountName, Tally } from '../model/activity.ts';
import { attemptClassOf } from './attempt-class.ts';
import { bucketOf } from './histogram.ts';
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
