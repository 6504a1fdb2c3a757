import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONSENT_ACCESS_REVOKED, RESOURCE_UPDATE } from '@tidings/protocol';
import fc from 'fast-check';
import type { FoundNotification, SearchFilter } from '../../src/store/search.ts';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, eventType, jtiOf, notifyAll } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  ACKNOWLEDGED,
  acknowledge,
  claim,
  fail,
  numbered,
  type OpenFor,
  POLL,
  publish,
  REFUSED,
  register,
  retryAt,
} from './opened.ts';
import {
  type Batch,
  batches,
  CLIENTS,
  type Fate,
  filtersOn,
  HOUR_MS,
  type ModelFound,
  type Planned,
  searchModel,
} from './search-model.ts';

const SEED = 20261121;
const RUNS = 5;
const SEARCHES_PER_RUN = 30;
// After everything that is published.
const LATER_MS = 100 * HOUR_MS;

/** Every page of a search, each of which may be empty. */
async function searchAll(store: Store, filter: SearchFilter, limit = 100): Promise<FoundNotification[]> {
  const all: FoundNotification[] = [];
  let after: string | undefined;
  for (let pages = 0; pages === 0 || after !== undefined; pages += 1) {
    assert.ok(pages < 500, 'it comes to an end');
    const { notifications, next } = await store.search({ filter, after, limit });
    assert.ok(notifications.length <= limit);
    all.push(...notifications);
    after = next;
  }
  return all;
}

const jtisFound = async (store: Store, filter: SearchFilter) => (await searchAll(store, filter)).map(({ jti }) => jti);

/** Search. */
export function describeSearch(open: OpenFor): void {
  describe('search', () => {
    describeWhatIsShown(open);
    describePages(open);
    describeAgainstModel(open);
  });
}

function describeWhatIsShown(open: OpenFor): void {
  test('shows of a notification what it is about, what became of it, and how its last attempt ended', async (t) => {
    const { store, reopen } = await open(t);
    await register(store, ['a']);
    const event = bankEvent('a', 'e1', { transactionId: 'txn-1' });
    await store.publish([event, bankEvent('b', 'for-nobody')], notifyA, START_MS);
    const [first] = await claim(store);
    assert.ok(first);
    await fail(store, first, retryAt(1000), 500);
    const shown = {
      ...{ jti: jtiOf('e1'), eventId: 'e1', clientId: 'a', transactionId: 'txn-1', resourceId: 'payment-of-e1' },
      ...{ eventTypes: [RESOURCE_UPDATE], publishedAtMs: START_MS },
    };
    const failed = { ...shown, state: 'awaiting', settledAtMs: undefined, acknowledgedBy: undefined };
    assert.deepEqual(await searchAll(store, {}), [{ ...failed, attempts: 1, lastOutcome: REFUSED }]);
    const [second] = await claim(store, { afterMs: 1000 });
    assert.ok(second);
    await acknowledge(store, second, 1500);
    const ended = { state: 'acknowledged', settledAtMs: START_MS + 1500, acknowledgedBy: 'push' };
    assert.deepEqual(await searchAll(await reopen(), {}), [
      { ...shown, ...ended, attempts: 2, lastOutcome: ACKNOWLEDGED },
    ]);
  });

  test('finds nothing of what was dropped, nor by it', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['old']);
    for (const claimed of await claim(store)) await acknowledge(store, claimed);
    const beforeMs = START_MS + 10 * 24 * HOUR_MS;
    while ((await store.dropHistory({ notificationsBeforeMs: beforeMs, eventsBeforeMs: 0, limit: 10 })) > 0);
    for (const filter of [{}, { eventId: 'old' }, { resourceId: 'payment-of-old' }, { clientId: 'a' }]) {
      assert.deepEqual(await searchAll(store, filter), []);
    }
  });

  test('finds by failed what is awaiting and failed once, until it is redelivered and acknowledged', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', ['e1', 'e2']);
    const [one, two] = await claim(store);
    assert.ok(one && two);
    await acknowledge(store, one);
    await fail(store, two, retryAt(10));
    assert.deepEqual(await jtisFound(store, { state: 'failed' }), [jtiOf('e2')]);
    const [again] = await claim(store, { afterMs: 10 });
    assert.ok(again);
    await acknowledge(store, again, 20);
    assert.deepEqual(await jtisFound(store, { state: 'failed' }), []);
    await store.redeliver({
      ...{ filter: { clientId: 'a' }, after: undefined, limit: 10, firstDueAtMs: START_MS, spacingMs: 0 },
      ...{ isDryRun: false, audit: { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} } },
    });
    assert.deepEqual(await jtisFound(store, { state: 'failed' }), [jtiOf('e2')], 'the one that never failed is not');
    assert.deepEqual(await jtisFound(store, { state: 'awaiting' }), [jtiOf('e2'), jtiOf('e1')]);
  });
}

const notifyA: typeof notifyAll = (event, tpp, registration) =>
  event.clientId === 'a' ? notifyAll(event, tpp, registration) : { kind: 'none', reason: 'unknown-client' };

function describePages(open: OpenFor): void {
  test('looks through no more than some thousands at once, and tells where to go on', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    const rare = { events: [{ type: eventType(CONSENT_ACCESS_REVOKED), reason: undefined }] };
    await store.publish([bankEvent('a', 'rare', rare)], notifyAll, START_MS);
    for (let at = 0; at < 5; at += 1) await publish(store, 'a', numbered(`e${at}-`, 1000), at);
    const filter = { clientId: 'a', eventType: CONSENT_ACCESS_REVOKED };
    const { notifications, next } = await store.search({ filter, after: undefined, limit: 10 });
    assert.deepEqual(notifications, []);
    assert.ok(next !== undefined);
    assert.deepEqual(await jtisFound(store, filter), [jtiOf('rare')]);
    // By the type alone there is nothing to look through.
    const byType = await store.search({ filter: { eventType: CONSENT_ACCESS_REVOKED }, after: undefined, limit: 10 });
    assert.deepEqual([byType.notifications.length, byType.next], [1, undefined]);
  });

  test('goes on behind what was published meanwhile, and ends on a page that is just full', async (t) => {
    const { store } = await open(t);
    await register(store, ['a']);
    await publish(store, 'a', numbered('e', 6));
    const first = await store.search({ filter: {}, after: undefined, limit: 3 });
    await publish(store, 'a', ['late'], 1);
    const second = await store.search({ filter: {}, after: first.next, limit: 3 });
    const jtis = [...first.notifications, ...second.notifications].map(({ jti }) => jti);
    assert.deepEqual(jtis, numbered('e', 6).toReversed().map(jtiOf));
    assert.equal(second.next, undefined);
  });
}

function describeAgainstModel(open: OpenFor): void {
  test('of whatever there is and by whatever, all pages are what is meant, the newest first', async (t) => {
    const { store } = await open(t);
    await register(store, CLIENTS, { callbackUrl: 'https://tpp.example/notifications' });
    const all: ModelFound[] = [];
    let searches = 0;
    const property = fc.asyncProperty(batches, fc.gen(), async (published, random) => {
      await populate(store, published, all);
      for (let count = 0; count < SEARCHES_PER_RUN; count += 1) {
        const filter = random(filtersOn, all);
        const limit = random(fc.integer, { min: 1, max: 20 });
        assert.deepEqual(await searchAll(store, filter, limit), searchModel(all, filter), JSON.stringify(filter));
        searches += 1;
      }
    });
    await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: true });
    assert.equal(searches, RUNS * SEARCHES_PER_RUN);
  });
}

/** Publishes, and has each notification meet its fate, in the store and in the model. */
async function populate(store: Store, published: readonly Batch[], all: ModelFound[]): Promise<void> {
  const fates = new Map<string, Fate>();
  for (const { hours, events } of published) {
    const publishedAtMs = START_MS + hours * HOUR_MS;
    const fresh = events.map((event, at) => ({ event, eventId: `event-${all.length + at}` }));
    await store.publish(fresh.map(plannedEvent), notifyAll, publishedAtMs);
    for (const { event, eventId } of fresh) {
      fates.set(jtiOf(eventId), event.fate);
      all.push({ ...aboutOf(event, eventId), ...LEFT, publishedAtMs, order: all.length });
    }
  }
  await meetFates(store, fates);
  for (const [at, one] of all.entries()) all[at] = { ...one, ...afterFate(fates.get(one.jti)) };
  await store.expireAwaiting(START_MS + HOUR_MS, 10_000, START_MS + AT_MS.expired);
  const expired = { state: 'expired', settledAtMs: START_MS + AT_MS.expired } as const;
  for (const [at, one] of all.entries()) {
    if (one.state === 'awaiting' && one.publishedAtMs < START_MS + HOUR_MS) all[at] = { ...one, ...expired };
  }
}

function plannedEvent({ event, eventId }: { event: Planned; eventId: string }) {
  const { clientId, transactionId, resourceId, types } = event;
  const { resource } = bankEvent(clientId, eventId);
  const events = types.map((urn) => ({ type: eventType(urn), reason: undefined }));
  return bankEvent(clientId, eventId, { transactionId, resource: { ...resource, id: resourceId }, events });
}

function aboutOf({ clientId, transactionId, resourceId, types }: Planned, eventId: string) {
  const jti = jtiOf(eventId);
  return { jti, eventId, clientId, transactionId: transactionId ?? jti, resourceId, eventTypes: types };
}

const LEFT = {
  state: 'awaiting',
  settledAtMs: undefined,
  acknowledgedBy: undefined,
  attempts: 0,
  lastOutcome: undefined,
  hasFailed: false,
} as const;

/** When each fate is met, after the start of the test. */
const AT_MS = {
  ...{ claimed: LATER_MS, pushed: LATER_MS + 100, polled: LATER_MS + 200 },
  ...{ withdrawn: LATER_MS + 300, expired: LATER_MS + 400 },
};

async function meetFates(store: Store, fates: ReadonlyMap<string, Fate>): Promise<void> {
  const of = (fate: Fate) => [...fates].filter(([, met]) => met === fate).map(([jti]) => jti);
  const claimed = await claim(store, { afterMs: AT_MS.claimed });
  for (const one of claimed) {
    const fate = fates.get(one.jti);
    if (fate === 'acknowledged') await acknowledge(store, one, AT_MS.pushed);
    else if (fate === 'failed') await fail(store, one, retryAt(2 * LATER_MS), AT_MS.pushed);
    else await store.release([one], START_MS + AT_MS.pushed);
  }
  for (const clientId of CLIENTS) {
    const errors = of('reported').map((jti) => ({ jti, err: 'jws', description: 'no' }));
    const nowMs = START_MS + AT_MS.polled;
    await store.poll({ ...POLL, clientId, acknowledged: of('polled'), errors, nowMs });
  }
  const audit = { atMs: START_MS + AT_MS.withdrawn, actor: 'ops', action: 'withdraw', subject: 'some', detail: {} };
  const filter = { jtis: of('withdrawn') };
  await store.withdraw({ filter, after: undefined, limit: 1000, isDryRun: false, audit });
}

function afterFate(fate: Fate | undefined): Partial<ModelFound> {
  const ended = (state: 'acknowledged' | 'withdrawn', atMs: number) => ({ state, settledAtMs: START_MS + atMs });
  if (fate === 'acknowledged') {
    const pushed = { acknowledgedBy: 'push', attempts: 1, lastOutcome: ACKNOWLEDGED } as const;
    return { ...ended('acknowledged', AT_MS.pushed), ...pushed };
  }
  if (fate === 'failed') return { attempts: 1, lastOutcome: REFUSED, hasFailed: true };
  if (fate === 'reported') return { hasFailed: true };
  if (fate === 'polled') return { ...ended('acknowledged', AT_MS.polled), acknowledgedBy: 'poll' };
  return fate === 'withdrawn' ? ended('withdrawn', AT_MS.withdrawn) : {};
}
