import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTypeCatalogue, type SetClaims } from '@tidings/protocol';
import type { FanOut } from '../../src/model/event.ts';
import type { Registration } from '../../src/model/registration.ts';
import { EarlySigning } from '../../src/notify/publish.ts';
import type { SignSet } from '../../src/notify/sign.ts';
import { bankEvent, ISSUER, subscriptionOf, tppOf } from '../support/bank-events.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';

const setOf = ({ jti }: SetClaims) => `set of ${jti}`;

/** Early signing by a signer that a test sets, and the decisions about events of TPP a, which a read finds as `registered`. */
function setUp(
  signSet: SignSet = (claims) => Promise.resolve(setOf(claims)),
  registered: () => Promise<readonly Registration[]> = () => Promise.resolve([]),
) {
  const clock = new FakeClock(() => new Promise((resolve) => setImmediate(resolve)));
  const asked: string[] = [];
  let signedAtMs = Number.NEGATIVE_INFINITY;
  const forDelivery: SignSet = async (claims) => {
    asked.push(claims.jti);
    const set = await signSet(claims);
    signedAtMs = clock.monotonicMs();
    return set;
  };
  const forPoll: SignSet = async (claims) => `${await forDelivery(claims)}, to poll`;
  let reads = 0;
  const registrationsOf = () => {
    reads += 1;
    return registered();
  };
  const setSigner = { forDelivery, forPoll, signedAtMs: () => signedAtMs };
  const early = new EarlySigning({ store: { registrationsOf }, setSigner, clock });
  let jtis = 0;
  const context = { issuer: ISSUER, catalogue: new EventTypeCatalogue(), nowMs: START_MS };
  const newJti = () => {
    jtis += 1;
    return `jti-${jtis}`;
  };
  const publish = async (changes: Partial<Registration>, ...eventIds: readonly string[]) => {
    const events = eventIds.map((id) => bankEvent('a', id));
    const decide = await early.prepare(events, { ...context, newJti });
    return events.map((event) => decide(event, tppOf('a'), registrationOf(changes)));
  };
  return { clock, early, asked, publish, reads: () => reads };
}

function registrationOf(changes: Partial<Registration> = {}): Registration {
  return { ...subscriptionOf('a', changes), unresponsiveSinceMs: undefined };
}

/** The jti and the SET of each. */
function made(decided: readonly FanOut[]): (readonly [string, string | undefined])[] {
  return decided.map((one) => (one.kind === 'notification' ? [one.claims.jti, one.set] : assert.fail(one.reason)));
}

test('the first publication for a TPP reads its registration once, and its notifications are signed before they are committed', async () => {
  const { publish, reads } = setUp(undefined, () => Promise.resolve([registrationOf()]));
  assert.deepEqual(made(await publish({}, 'e1', 'e2')), [
    ['jti-1', 'set of jti-1'],
    ['jti-2', 'set of jti-2'],
  ]);
  await publish({}, 'e3');
  assert.equal(reads(), 1);
});

test('notifications of a TPP that only polls are signed among the answers to polls', async () => {
  const changes = { callbackUrl: undefined };
  const { publish } = setUp(undefined, () => Promise.resolve([registrationOf(changes)]));
  assert.deepEqual(made(await publish(changes, 'e1')), [['jti-1', 'set of jti-1, to poll']]);
});

test('where the registration cannot be read, or there was none, the next publication signs', async () => {
  const found = [() => Promise.reject(new Error('the store is away')), () => Promise.resolve([])];
  for (const registered of found) {
    const { publish } = setUp(undefined, registered);
    assert.deepEqual(made(await publish({}, 'e1')), [['jti-1', undefined]]);
    assert.deepEqual(made(await publish({}, 'e2')), [['jti-2', 'set of jti-2']]);
  }
});

test('a TPP without a registration is read once, not at each publication', async () => {
  const { early, reads } = setUp();
  const context = { issuer: ISSUER, catalogue: new EventTypeCatalogue(), nowMs: START_MS, newJti: () => 'none' };
  for (const id of ['e1', 'e2', 'e3']) {
    const event = bankEvent('a', id);
    const decide = await early.prepare([event], context);
    assert.deepEqual(decide(event, tppOf('a'), undefined), { kind: 'none', reason: 'no-registration' });
  }
  assert.equal(reads(), 1);
});

test('of a publication for very many TPPs that were not seen, a bounded number is read', async () => {
  const { early, reads } = setUp();
  const context = { issuer: ISSUER, catalogue: new EventTypeCatalogue(), nowMs: START_MS, newJti: () => 'none' };
  await early.prepare(
    Array.from({ length: 500 }, (_, at) => bankEvent(`tpp-${at}`, `e${at}`)),
    context,
  );
  assert.equal(reads(), 100);
});

test('once a publication has seen a TPP, its notifications are signed before they are committed', async () => {
  const { publish, asked } = setUp();
  assert.deepEqual(made(await publish({}, 'e1')), [['jti-1', undefined]]);
  assert.deepEqual(made(await publish({}, 'e2', 'e3')), [
    ['jti-2', 'set of jti-2'],
    ['jti-3', 'set of jti-3'],
  ]);
  assert.deepEqual(asked, ['jti-2', 'jti-3']);
});

test('where the transaction finds another registration than before, it decides anew, and nothing that was signed is kept', async () => {
  const eventTypes = ['urn:uk:org:openbanking:events:resource-update'];
  const changed = [{ version: '3.0' }, { eventTypes }, { kind: 'callback-url' as const }];
  for (const changes of changed) {
    const { publish } = setUp();
    await publish({}, 'e1');
    assert.deepEqual(made(await publish(changes, 'e2')), [['jti-3', undefined]], JSON.stringify(changes));
    assert.deepEqual(made(await publish(changes, 'e3')), [['jti-4', 'set of jti-4']], 'the change is remembered');
  }
});

test('an event that the changed registration does not want is not notified, although it was signed', async () => {
  const { publish, asked } = setUp();
  await publish({}, 'e1');
  const decided = await publish({ eventTypes: ['urn:uk:org:openbanking:events:consent-authorization-revoked'] }, 'e2');
  assert.deepEqual(decided, [{ kind: 'none', reason: 'type-filtered' }]);
  assert.equal(asked.length, 1);
});

test('a transaction that is repeated decides the same', async () => {
  const { publish, early } = setUp();
  await publish({}, 'e1');
  const event = bankEvent('a', 'e2');
  const context = { issuer: ISSUER, catalogue: new EventTypeCatalogue(), nowMs: START_MS, newJti: () => 'again' };
  const decide = await early.prepare([event], context);
  const first = decide(event, tppOf('a'), registrationOf());
  assert.deepEqual(decide(event, tppOf('a'), registrationOf()), first);
});

test('a signer that does not answer delays a publication by 50 ms once, whatever its size, and is left alone for a second', async () => {
  const { publish, clock, asked } = setUp(() => new Promise(() => undefined));
  await publish({}, 'e1');
  const ids = Array.from({ length: 300 }, (_, at) => `e${at + 2}`);
  const waiting = publish({}, ...ids);
  let isOver = false;
  void waiting.then(() => {
    isOver = true;
  });
  await clock.advance(49);
  assert.equal(isOver, false);
  await clock.advance(1);
  assert.ok(made(await waiting).every(([, set]) => set === undefined));
  assert.deepEqual(made(await publish({}, 'e400')), [['jti-302', undefined]]);
  assert.equal(asked.length, 100, 'not asked during the pause');
  await clock.advance(1000);
  const again = publish({}, 'e401');
  await clock.advance(50);
  await again;
  assert.equal(asked.length, 101);
});

test('a main thread that was busy for the whole budget does not count against the signer', async () => {
  const { publish, clock, asked } = setUp(() => new Promise(() => undefined));
  await publish({}, 'e1');
  for (const [at, id] of ['e2', 'e3'].entries()) {
    const waiting = publish({}, id);
    await clock.advance(0);
    assert.equal(asked.length, at + 1, 'asked at once');
    clock.pass(60);
    await clock.advance(0);
    assert.deepEqual(
      made(await waiting).map(([, set]) => set),
      [undefined],
    );
  }
});

test('a slow signer that makes signatures all the time has 2 ms for each notification, and is not left alone', async () => {
  const { publish, clock, asked } = setUp(
    (claims) => new Promise((resolve) => clock.after(20, () => resolve(setOf(claims)))),
  );
  await publish({}, 'e1');
  const ids = Array.from({ length: 1000 }, (_, at) => `e${at + 2}`);
  const waiting = publish({}, ...ids);
  await clock.advance(2050);
  assert.ok(made(await waiting).every(([, set]) => set !== undefined));
  const one = publish({}, 'e2000');
  await clock.advance(20);
  assert.deepEqual(made(await one), [['jti-1002', 'set of jti-1002']]);
  assert.equal(asked.length, 1001);
});

test('a signer that fails delays nothing, and is left alone for a second', async () => {
  const { publish, asked, clock } = setUp(() => Promise.reject(new Error('the key is away')));
  await publish({}, 'e1');
  assert.deepEqual(made(await publish({}, 'e2')), [['jti-2', undefined]]);
  await publish({}, 'e3');
  assert.equal(asked.length, 1);
  await clock.advance(1000);
  await publish({}, 'e4');
  assert.equal(asked.length, 2);
});

test('what was signed before a signer stopped is kept, the rest is left', async () => {
  const { publish, clock } = setUp((claims) =>
    claims.jti === 'jti-2' ? Promise.resolve(setOf(claims)) : new Promise(() => undefined),
  );
  await publish({}, 'e1');
  const waiting = publish({}, 'e2', 'e3', 'e4');
  await clock.advance(50);
  assert.deepEqual(made(await waiting), [
    ['jti-2', 'set of jti-2'],
    ['jti-3', undefined],
    ['jti-4', undefined],
  ]);
});

test('a signer that is too slow for the budget signs a part, and is asked again at once', async () => {
  let turn = Promise.resolve();
  const { publish, clock } = setUp((claims) => {
    turn = turn.then(() => new Promise<void>((resolve) => clock.after(20, () => resolve())));
    return turn.then(() => setOf(claims));
  });
  await publish({}, 'e1');
  const ids = Array.from({ length: 10 }, (_, at) => `e${at + 2}`);
  const waiting = publish({}, ...ids);
  await clock.advance(70);
  const sets = made(await waiting).map(([, set]) => set);
  assert.deepEqual(sets, ['set of jti-2', 'set of jti-3', 'set of jti-4', ...new Array(7).fill(undefined)]);
  turn = Promise.resolve();
  const again = publish({}, 'e20');
  await clock.advance(20);
  assert.deepEqual(made(await again), [['jti-12', 'set of jti-12']]);
});

test('a large publication does not fill the signing queue', async () => {
  let underWay = 0;
  let most = 0;
  const { publish } = setUp(async (claims) => {
    underWay += 1;
    most = Math.max(most, underWay);
    await Promise.resolve();
    underWay -= 1;
    return setOf(claims);
  });
  await publish({}, 'e0');
  const ids = Array.from({ length: 500 }, (_, at) => `e${at + 1}`);
  const signed = made(await publish({}, ...ids)).filter(([, set]) => set !== undefined);
  assert.deepEqual([signed.length, most], [500, 100]);
});
