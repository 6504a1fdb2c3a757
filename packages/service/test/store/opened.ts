import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Attempt, NextStep, Outcome } from '../../src/model/attempt.ts';
import type { ClaimedNotification, NotificationRecord, Target } from '../../src/model/notification.ts';
import type { RegistrationToStore } from '../../src/model/registration.ts';
import type { AttemptRecord, Claim, ClaimOptions, PollToStore, RecordResult } from '../../src/store/delivery.ts';
import type { Store, StoreChange } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';

/** A store under test. */
export interface OpenedStore {
  readonly store: Store;
  /** Ends the store as a process does that stops, and opens what it kept. */
  reopen(): Promise<Store>;
  /** Closes whichever is open and removes what it kept. */
  close(): Promise<void>;
}

export interface OpenSettings {
  /** How much of a backlog one transaction works on, where that is more than one transaction's work. */
  readonly portion?: number;
}

/** Opens an empty store. */
export type OpenStore = (settings?: OpenSettings) => Promise<OpenedStore>;
/** The same, closed when the test ends. */
export type OpenFor = (t: TestContext, settings?: OpenSettings) => Promise<OpenedStore>;

/** @returns what opens a store and closes it when the test ends */
export function openFor(open: OpenStore): OpenFor {
  return async (t, settings) => {
    const opened = await open(settings);
    t.after(() => opened.close());
    return opened;
  };
}

export const LEASE_MS = 60_000;
export const ACKNOWLEDGED: Outcome = { kind: 'acknowledged', status: 202, interactionIdEchoed: true };
export const REFUSED: Outcome = { kind: 'refused', status: 500 };
/** When what ceases may be probed: later than any test looks, unless it is about probes. */
export const PROBE_AFTER_MS = 1_000_000_000;
export const CEASE: NextStep = { kind: 'cease', probeAtMs: START_MS + PROBE_AFTER_MS };

/** Attempts cease; a probe is due that long after the start of the test. */
export function ceaseUntil(afterMs: number): NextStep {
  return { kind: 'cease', probeAtMs: START_MS + afterMs };
}

/** A poll that acknowledges nothing and asks for nothing. */
export const POLL: Omit<PollToStore, 'clientId'> = {
  ...{ acknowledged: [], errors: [], maxEvents: 0, nowMs: START_MS },
  ...{ reofferMs: LEASE_MS, reofferAfterErrorMs: LEASE_MS },
};

/** Names that count up from 0. */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at}`);
}

/** A retry that long after the start of the test. */
export function retryAt(afterMs: number): NextStep {
  return { kind: 'retry', atMs: START_MS + afterMs };
}

/** Registers TPPs, each with an event subscription to everything. */
export async function register(
  store: Store,
  clientIds: readonly string[],
  changes: Partial<RegistrationToStore> = {},
): Promise<void> {
  for (const clientId of clientIds) {
    await store.putTpp(tppOf(clientId), START_MS);
    await store.createRegistration(subscriptionOf(clientId, changes), START_MS);
  }
}

/** Publishes one event after another, each with a notification. @returns their `jti`s */
export async function publish(
  store: Store,
  clientId: string,
  eventIds: readonly string[],
  afterMs = 0,
): Promise<string[]> {
  const events = eventIds.map((id) => bankEvent(clientId, id));
  const result = await store.publish(events, notifyAll, START_MS + afterMs);
  assert.equal(result.kind, 'published');
  return eventIds.map(jtiOf);
}

type ClaimChanges = Partial<ClaimOptions> & { readonly afterMs?: number };

/** Claims, by default all there is, at the start of the test. */
export async function claim(store: Store, options: ClaimChanges = {}): Promise<readonly ClaimedNotification[]> {
  return (await claimDue(store, options)).claimed;
}

/** As {@link claim}, with all that the store says. */
export function claimDue(store: Store, { afterMs = 0, ...changes }: ClaimChanges = {}): Promise<Claim> {
  const all = { leaseMs: LEASE_MS, limit: 100_000, capacityFor: () => 100_000 };
  return store.claimDue({ nowMs: START_MS + afterMs, ...all, ...changes });
}

/** Claims nothing, and asks when something falls due: how long after the start of the test. */
export async function nextDueAfterMs(store: Store, afterMs = 0): Promise<number | undefined> {
  const { nextDueAtMs } = await claimDue(store, { afterMs, limit: 0 });
  return nextDueAtMs === undefined ? undefined : nextDueAtMs - START_MS;
}

/** Claims when exactly one notification is due. */
export async function claimOne(store: Store, afterMs = 0): Promise<ClaimedNotification> {
  const [only, ...others] = await claim(store, { afterMs });
  assert.deepEqual(jtisOf(others), []);
  return only ?? assert.fail('nothing was due');
}

export function jtisOf(claimed: readonly ClaimedNotification[]): string[] {
  return claimed.map(({ jti }) => jti);
}

/** What the retry policy goes by: of each its `jti`, attempts in all, and of the round how many, since when, which probe. */
export function roundsOf(claimed: readonly ClaimedNotification[]): unknown[] {
  return claimed.map((one) => [one.jti, one.attempts, one.roundAttempts, one.roundBeganAtMs, one.probe]);
}

/** An attempt at the claimed notification that took 100 ms and ended the time given after the start of the test. */
export function attemptAt(claimed: ClaimedNotification, outcome: Outcome, endedAfterMs = 0): Attempt {
  return {
    startedAtMs: START_MS + endedAfterMs - 100,
    durationMs: 100,
    interactionId: `interaction-${endedAfterMs}`,
    callbackUrl: claimed.callbackUrl,
    outcome,
  };
}

/** Records one attempt. @returns what became of it */
async function record(store: Store, record: AttemptRecord, afterMs: number): Promise<RecordResult> {
  const results = await recordAll(store, [record], START_MS + afterMs);
  assert.equal(results.length, 1);
  return results[0] ?? assert.fail('a record has a result');
}

/** Records attempts. @returns what became of each */
export async function recordAll(
  store: Store,
  records: readonly AttemptRecord[],
  nowMs: number,
): Promise<readonly RecordResult[]> {
  return (await store.recordAttempts(records, nowMs)).results;
}

/** A record of an attempt that was acknowledged. */
export function acknowledged(claimed: ClaimedNotification, afterMs = 0): AttemptRecord {
  return { claimed, attempt: attemptAt(claimed, ACKNOWLEDGED, afterMs), next: { kind: 'acknowledged' } };
}

/** A record of an attempt that was refused. */
export function failed(claimed: ClaimedNotification, next: NextStep, afterMs = 0): AttemptRecord {
  return { claimed, attempt: attemptAt(claimed, REFUSED, afterMs), next };
}

export function acknowledge(store: Store, claimed: ClaimedNotification, afterMs = 0): Promise<RecordResult> {
  return record(store, acknowledged(claimed, afterMs), afterMs);
}

export function fail(store: Store, claimed: ClaimedNotification, next: NextStep, afterMs = 0): Promise<RecordResult> {
  return record(store, failed(claimed, next, afterMs), afterMs);
}

/** Health of the callback URL of a TPP; it must have one that is pushed to. */
export async function targetOf(store: Store, clientId: string): Promise<Target> {
  const targets = await store.targets('', 1000);
  return targets.find((target) => target.clientId === clientId) ?? assert.fail(`${clientId} has no target`);
}

/** Listens to changes. @returns what was announced since it was asked last, in order */
export function listen(store: Store): () => { offered: string[]; retargeted: string[] } {
  let changes: StoreChange[] = [];
  store.onChange((change) => changes.push(change));
  return () => {
    const told = {
      offered: changes.flatMap(({ offered }) => [...offered]),
      retargeted: changes.flatMap(({ retargeted }) => [...retargeted]),
    };
    changes = [];
    return told;
  };
}

/** The notification as the operator sees it; it must be there. */
export async function look(store: Store, jti: string): Promise<NotificationRecord> {
  return (await store.notification(jti)) ?? assert.fail(`there is no notification ${jti}`);
}
