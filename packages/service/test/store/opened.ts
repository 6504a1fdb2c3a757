import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import type {
  Attempt,
  ClaimedNotification,
  ClaimOptions,
  NextStep,
  NotificationRecord,
  Store,
  SubscriptionToStore,
} from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';

/** A store under test. */
export interface OpenedStore {
  readonly store: Store;
  /** Ends the store as a process does that stops, and opens what it kept, at the time given. */
  reopen(nowMs: number): Promise<Store>;
  /** Closes whichever is open and removes what it kept. */
  close(): Promise<void>;
}

/** Opens an empty store, at {@link START_MS}. */
export type OpenStore = () => Promise<OpenedStore>;
/** The same, closed when the test ends. */
export type OpenFor = (t: TestContext) => Promise<OpenedStore>;

export const LEASE_MS = 60_000;
export const ACKNOWLEDGED: Outcome = { kind: 'acknowledged', status: 202, interactionIdEchoed: true };
export const REFUSED: Outcome = { kind: 'refused', status: 500 };
export const CEASE: NextStep = { kind: 'cease' };

/** A retry that long after the start of the test. */
export function retryAt(afterMs: number): NextStep {
  return { kind: 'retry', atMs: START_MS + afterMs };
}

/** Registers TPPs, each with an event subscription to everything. */
export async function register(
  store: Store,
  clientIds: readonly string[],
  changes: Partial<SubscriptionToStore> = {},
): Promise<void> {
  for (const clientId of clientIds) {
    await store.putTpp(tppOf(clientId), START_MS);
    await store.createSubscription(subscriptionOf(clientId, changes), START_MS);
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

/** Claims, by default all there is, at the start of the test. */
export function claim(
  store: Store,
  options: Partial<ClaimOptions> & { readonly afterMs?: number } = {},
): Promise<readonly ClaimedNotification[]> {
  const { afterMs = 0, ...rest } = options;
  const all = { leaseMs: LEASE_MS, limit: 100_000, perTppMax: 100_000, inFlight: new Map<string, number>() };
  return store.claimDue({ nowMs: START_MS + afterMs, ...all, ...rest });
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

export function acknowledge(store: Store, claimed: ClaimedNotification, afterMs = 0): Promise<boolean> {
  return store.recordAttempt(claimed, attemptAt(claimed, ACKNOWLEDGED, afterMs), { kind: 'acknowledged' });
}

export function fail(store: Store, claimed: ClaimedNotification, next: NextStep, afterMs = 0): Promise<boolean> {
  return store.recordAttempt(claimed, attemptAt(claimed, REFUSED, afterMs), next);
}

/** The notification as the operator sees it; it must be there. */
export async function look(store: Store, jti: string): Promise<NotificationRecord> {
  return (await store.notification(jti)) ?? assert.fail(`there is no notification ${jti}`);
}
