import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import * as fc from 'fast-check';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { PublishResult } from '../../src/store/delivery.ts';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, deletionOf, jtiOf, notifyAll, subscriptionOf, tppOf, urlOf } from '../support/bank-events.ts';
import { EmptyDatabases } from '../support/empty-databases.ts';
import { START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstances } from '../support/postgres-stores.ts';
import {
  ACKNOWLEDGED,
  acknowledge,
  acknowledged,
  attemptAt,
  CEASE,
  ceaseUntil,
  claim,
  fail,
  failed,
  jtisOf,
  LEASE_MS,
  look,
  numbered,
  POLL,
  publish,
  REFUSED,
  recordAll,
  register,
  retryAt,
} from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());
const databases = new EmptyDatabases(server);

/** Two instances of the service on one database. */
async function twoInstances(t: TestContext): Promise<readonly [Store, Store]> {
  const { stores } = await openInstances(t, databases, 2);
  return [stores[0] ?? assert.fail(), stores[1] ?? assert.fail()];
}

/** Asks both at once, many times over. */
function bothTimes<T>(stores: readonly Store[], times: number, ask: (store: Store, at: number) => Promise<T>) {
  return Promise.all(Array.from({ length: times }, (_, at) => stores.map((store) => ask(store, at))).flat());
}

function assertDistinct(jtis: readonly string[]): void {
  assert.equal(new Set(jtis).size, jtis.length, 'no notification is there twice');
}

describe('two instances that publish', () => {
  test('the same events at once agree on one notification each, whatever the order of the batches', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a', 'b']);
    const ids = numbered('e', 40);
    const results = await bothTimes(stores, 6, (store, at) => {
      const rotated = [...ids.slice(at * 5), ...ids.slice(0, at * 5)];
      const events = (at % 2 === 0 ? rotated : rotated.toReversed()).map((id) => bankEvent(id < 'e2' ? 'a' : 'b', id));
      return store.publish(events, notifyAll, START_MS);
    });
    const outcomes = results.flatMap((result) => (result.kind === 'published' ? result.outcomes : assert.fail()));
    assert.equal(outcomes.filter(({ repeated }) => !repeated).length, ids.length);
    assert.deepEqual(jtisOf(await claim(stores[1])).toSorted(), ids.map(jtiOf).toSorted());
  });

  test('different content under one id agree on the one that came first: all others learn of the conflict', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    const results: PublishResult[] = await bothTimes(stores, 8, (store, at) => {
      const event = { ...bankEvent('a', 'e1'), fingerprint: `${at % 4}`.repeat(64) };
      return store.publish([bankEvent('a', `own-${at}`), event], notifyAll, START_MS);
    });
    const published = results.filter(({ kind }) => kind === 'published');
    assert.ok(published.length >= 1 && published.length <= 4, `${published.length} of 16 had the same content`);
    for (const result of results) if (result.kind === 'conflict') assert.deepEqual(result.eventIds, ['e1']);
    assert.equal((await look(stores[1], jtiOf('e1'))).state, 'awaiting');
  });

  test('while the registration is deleted leave nothing behind that is awaiting for nobody', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    const decide: typeof notifyAll = (event, tpp, registration) =>
      registration === undefined ? { kind: 'none', reason: 'no-registration' } : notifyAll(event, tpp, registration);
    const publishing = bothTimes(stores, 20, (store, at) =>
      store.publish([bankEvent('a', `${stores.indexOf(store)}-${at}`)], decide, START_MS),
    );
    await stores[1].deleteRegistration(deletionOf(subscriptionOf('a')), START_MS);
    await publishing;
    assert.equal((await stores[0].counts()).awaiting, 0);
  });
});

describe('two instances that claim', () => {
  test('share what is due, and neither gets what the other has', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a', 'b', 'c']);
    for (const clientId of ['a', 'b', 'c']) await publish(stores[0], clientId, numbered(clientId, 100));
    const claims = await bothTimes(stores, 12, (store) => claim(store, { limit: 17, capacityFor: () => 10 }));
    const all = [...claims.flat(), ...(await claim(stores[0]))];
    assertDistinct(jtisOf(all));
    assert.equal(all.length, 300);
  });

  test('never both probe an unresponsive callback URL', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    await publish(stores[0], 'a', numbered('e', 5));
    const [first, ...others] = await claim(stores[0]);
    assert.ok(first);
    await stores[0].release(others, START_MS);
    await fail(stores[0], first, ceaseUntil(1000), 100);
    const probes = (await bothTimes(stores, 5, (store) => claim(store, { afterMs: 1000 }))).flat();
    assert.equal(probes.length, 1);
    assert.equal(probes[0]?.probe, 0);
  });

  test('take over what an instance that is gone had claimed, once its lease has run out', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    await publish(stores[0], 'a', ['e1']);
    const [old] = await claim(stores[0]);
    assert.deepEqual(await claim(stores[1], { afterMs: LEASE_MS - 1 }), []);
    const [taken] = await claim(stores[1], { afterMs: LEASE_MS });
    assert.ok(old && taken);
    assert.equal(await fail(stores[0], old, retryAt(0), LEASE_MS), 'overtaken');
    assert.equal(await acknowledge(stores[1], taken, LEASE_MS), 'applied');
  });
});

describe('two instances that record', () => {
  test('for the same TPP: one of them turns it unresponsive, and one of them makes it recover', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    await publish(stores[0], 'a', numbered('e', 16));
    const claimed = await claim(stores[0]);
    const record = (half: readonly ClaimedNotification[], next: typeof CEASE | 'acknowledged') =>
      Promise.all(
        half.map((one, at) => {
          const record = next === 'acknowledged' ? acknowledged(one) : failed(one, next);
          return recordAll(stores[at % 2 === 0 ? 0 : 1], [record], START_MS);
        }),
      );
    const ceased = (await record(claimed.slice(0, 8), CEASE)).flat();
    assert.equal(ceased.filter((result) => result === 'became-unresponsive').length, 1);
    const back = (await record(claimed.slice(8), 'acknowledged')).flat();
    assert.equal(back.filter((result) => result === 'recovered').length, 1);
    assert.equal((await stores[1].deliveryStates()).unresponsive, 0);
    assert.equal((await claim(stores[1])).length, 8);
  });

  test('batches of the same notifications in any order end without a deadlock, each acknowledged once', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a', 'b']);
    await publish(stores[0], 'a', numbered('a', 60));
    await publish(stores[0], 'b', numbered('b', 60));
    const claimed = await claim(stores[0]);
    const results = await bothTimes(stores, 4, (store, at) => {
      const rotated = [...claimed.slice(at * 20), ...claimed.slice(0, at * 20)];
      return recordAll(
        store,
        (at % 2 === 0 ? rotated : rotated.toReversed()).map((one) => acknowledged(one)),
        START_MS,
      );
    });
    assert.equal(results.flat().filter((result) => result === 'applied').length, claimed.length);
    assert.equal((await stores[0].counts()).awaiting, 0);
  });

  test('keep one and the same SET of a notification, whichever was signed first', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    const jtis = await publish(stores[0], 'a', numbered('e', 20));
    const kept = await bothTimes(stores, 5, (store, at) =>
      store.keepSets(jtis.map((jti) => ({ jti, set: `${jti} by ${stores.indexOf(store)}, ${at}` }))),
    );
    for (const sets of kept) assert.deepEqual(sets, kept[0]);
    assert.equal((await look(stores[0], jtiOf('e0'))).set, kept[0]?.[0]);
  });
});

describe('two instances that are polled', () => {
  test('split what is offered: no SET twice, and none left out', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    const jtis = await publish(stores[0], 'a', numbered('e', 90));
    const answers = await bothTimes(stores, 5, (store) => store.poll({ ...POLL, clientId: 'a', maxEvents: 9 }));
    const offered = answers.flatMap(({ notifications }) => notifications.map(({ jti }) => jti));
    assertDistinct(offered);
    assert.deepEqual(offered.toSorted(), jtis.toSorted());
    assert.equal(
      answers.filter(({ moreAvailable }) => !moreAvailable).length,
      1,
      'only the last says that there is no more',
    );
  });

  test('offer each notification once where no acknowledgement is expected', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    await publish(stores[0], 'a', numbered('e', 30));
    const answers = await bothTimes(stores, 5, (store) =>
      store.poll({ ...POLL, clientId: 'a', maxEvents: 5, reofferMs: undefined }),
    );
    const offered = answers.flatMap(({ notifications }) => notifications.map(({ jti }) => jti));
    assertDistinct(offered);
    assert.equal(offered.length, 30);
    assert.equal((await stores[1].counts()).awaiting, 0);
  });

  test('and pushed to at the same time: an acknowledgement counts once, however it came', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    const jtis = await publish(stores[0], 'a', numbered('e', 40));
    const claimed = await claim(stores[0]);
    const [, results] = await Promise.all([
      stores[1].poll({ ...POLL, clientId: 'a', acknowledged: jtis.toReversed() }),
      recordAll(
        stores[0],
        claimed.map((one) => acknowledged(one)),
        START_MS,
      ),
    ]);
    const records = await Promise.all(jtis.map((jti) => look(stores[0], jti)));
    assert.ok(records.every(({ state }) => state === 'acknowledged'));
    const pushed = records.filter(({ acknowledgedBy }) => acknowledgedBy === 'push').length;
    assert.equal(results.filter((result) => result === 'applied').length, pushed);
    assert.ok(
      records.every(({ attempts }) => attempts.length === 1),
      'the attempts are kept in any case',
    );
  });
});

describe('two instances whose TPPs change', () => {
  test('claim nothing for a callback URL that the TPP does not have any more', async (t) => {
    const stores = await twoInstances(t);
    await register(stores[0], ['a']);
    await publish(stores[0], 'a', numbered('e', 200));
    const next = 'https://next.example/event-notifications';
    let isReplaced = false;
    const claiming = bothTimes(stores, 20, async (store) => {
      const wasReplaced = isReplaced;
      const claimed = await claim(store, { limit: 5 });
      if (wasReplaced) assert.ok(claimed.every(({ callbackUrl }) => callbackUrl === next));
      return claimed;
    });
    await stores[1].replaceRegistration(subscriptionOf('a', { callbackUrl: next }), START_MS);
    isReplaced = true;
    const claimed = (await claiming).flat();
    const old = claimed.filter(({ callbackUrl }) => callbackUrl === urlOf('a'));
    for (const one of old) assert.equal(await fail(stores[0], one, CEASE), 'overtaken');
    const anew = [...claimed.filter(({ callbackUrl }) => callbackUrl === next), ...(await claim(stores[0]))];
    assertDistinct(jtisOf(anew));
    assert.equal(anew.length, 200);
  });

  test('create one event subscription, though both are asked at once', async (t) => {
    const stores = await twoInstances(t);
    await stores[0].putTpp(tppOf('a'), START_MS);
    const results = await bothTimes(stores, 4, (store, at) =>
      store.createRegistration(subscriptionOf('a', { id: `${stores.indexOf(store)}-${at}` }), START_MS),
    );
    assert.equal(results.filter((result) => result === 'created').length, 1);
  });
});

/** What an instance does in a random history, several at a time. */
type Step = 'publish' | 'claim' | 'acknowledge' | 'retry' | 'cease' | 'release' | 'poll' | 'replace' | 'redeliver';
const STEPS: readonly Step[] = [
  'publish',
  'claim',
  'acknowledge',
  'retry',
  'cease',
  'release',
  'poll',
  'replace',
  'redeliver',
];
const AUDIT = { atMs: START_MS, actor: 'ops', action: 'redeliver', subject: 'a', detail: {} };

/** Runs steps of two instances at once, and keeps the books. */
class Histories {
  readonly #stores: readonly Store[];
  readonly #name: string;
  readonly published: string[] = [];
  /** Who holds a claim that nobody may hold besides: by jti. */
  readonly #held = new Map<string, ClaimedNotification>();
  readonly acknowledged = new Set<string>();
  #count = 0;

  constructor(stores: readonly Store[], name: string) {
    this.#stores = stores;
    this.#name = name;
  }

  async run(step: Step, instance: number): Promise<void> {
    const store = this.#stores[instance] ?? assert.fail();
    if (step === 'publish') return this.#publish(store);
    if (step === 'claim') return this.#claim(store);
    if (step === 'poll') return this.#poll(store);
    if (step === 'replace') {
      // The same URL: what is under way is left to finish.
      await store.replaceRegistration(subscriptionOf(this.#name, { id: this.#name }), START_MS);
      return;
    }
    if (step === 'redeliver') {
      const options = { after: undefined, limit: 5, firstDueAtMs: START_MS, spacingMs: 0, isDryRun: false };
      await store.redeliver({ filter: { clientId: this.#name, only: 'awaiting' }, ...options, audit: AUDIT });
      return;
    }
    const [held] = this.#held.values();
    if (held === undefined) return;
    // From here on another may claim it.
    this.#held.delete(held.jti);
    if (step === 'release') return store.release([held], START_MS);
    const outcome = step === 'acknowledge' ? ACKNOWLEDGED : REFUSED;
    const next = { acknowledge: { kind: 'acknowledged' } as const, retry: retryAt(0), cease: ceaseUntil(0) }[step];
    if (step === 'acknowledge') this.acknowledged.add(held.jti);
    await recordAll(store, [{ claimed: held, attempt: attemptAt(held, outcome), next }], START_MS);
  }

  async #publish(store: Store): Promise<void> {
    this.#count += 1;
    const id = `${this.#name}-${this.#count}`;
    this.published.push(jtiOf(id));
    const handOver = { leaseMs: LEASE_MS, limit: 1, capacityFor: () => 1 };
    const result = await store.publish([bankEvent(this.#name, id)], notifyAll, START_MS, handOver);
    if (result.kind === 'published') this.#hold(result.claimed);
  }

  async #claim(store: Store): Promise<void> {
    this.#hold(
      (await store.claimDue({ nowMs: START_MS + 1, leaseMs: LEASE_MS, limit: 4, capacityFor: () => 3 })).claimed,
    );
  }

  #hold(claimed: readonly ClaimedNotification[]): void {
    for (const one of claimed) {
      assert.ok(!this.#held.has(one.jti), `${one.jti} is claimed twice at once`);
      assert.ok(!this.acknowledged.has(one.jti), `${one.jti} is claimed although it was acknowledged`);
      this.#held.set(one.jti, one);
    }
  }

  async #poll(store: Store): Promise<void> {
    await store.poll({ ...POLL, clientId: this.#name, maxEvents: 2 });
  }
}

const rounds = fc.array(fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat(1)), { minLength: 2, maxLength: 6 }), {
  minLength: 5,
  maxLength: 12,
  size: 'max',
});

test('whatever two instances do at once, nothing accepted is lost, and nothing is claimed by both', async (t) => {
  const stores = await twoInstances(t);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(rounds, async (steps) => {
      count += 1;
      const name = `history-${count}`;
      await stores[0].createRegistration(subscriptionOf(name, { id: name }), START_MS);
      const histories = new Histories(stores, name);
      for (const round of steps) await Promise.all(round.map(([step, instance]) => histories.run(step, instance)));
      for (const jti of histories.published) {
        const { state } = await look(stores[count % 2] ?? stores[0], jti);
        if (state !== 'awaiting') assert.ok(histories.acknowledged.has(jti), `${jti} is ${state}`);
      }
      await stores[1].deleteRegistration(
        { kind: 'event-subscription', clientId: name, id: name, through: 'v4.0' },
        START_MS,
      );
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
});
