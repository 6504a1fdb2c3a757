import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { inTime } from '@tidings/testing';
import { Changes } from '../../src/store/postgres/changes.ts';
import type { PostgresStoreOptions } from '../../src/store/postgres/open.ts';
import type { Store, StoreChange } from '../../src/store/store.ts';
import { subscriptionOf, tppOf } from '../support/bank-events.ts';
import { EmptyDatabases } from '../support/empty-databases.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstances } from '../support/postgres-stores.ts';
import { CEASE, claim, fail, listen, numbered, publish, register } from './opened.ts';

const server = await startPostgres({ isDurable: false });
after(() => server.stop());
const databases = new EmptyDatabases(server);

const LISTENING = { isListening: true, pollMs: 60_000 };
const LOOKING = { isListening: false, pollMs: 50 };

async function twoInstances(t: TestContext, changes: Partial<PostgresStoreOptions>): Promise<readonly [Store, Store]> {
  const { stores } = await openInstances(t, databases, 2, changes);
  return [stores[0] ?? assert.fail(), stores[1] ?? assert.fail()];
}

/** The next change that is announced and is as wanted; rejects when none comes. */
function nextChange(store: Store, isWanted: (change: StoreChange) => boolean): Promise<StoreChange> {
  const told = new Promise<StoreChange>((resolve) => {
    const end = store.onChange((change) => {
      if (!isWanted(change)) return;
      end();
      resolve(change);
    });
  });
  return inTime(told, 'a change that another instance tells');
}

for (const [how, changes] of [
  ['by a message', LISTENING],
  ['by looking', LOOKING],
] as const) {
  describe(`another instance hears ${how}`, () => {
    test('of what was published', async (t) => {
      const [one, other] = await twoInstances(t, changes);
      await register(one, ['a', 'b']);
      const told = nextChange(other, ({ offered }) => offered.has('a'));
      await publish(one, 'a', ['e1']);
      assert.ok(!(await told).offered.has('b'));
    });

    test('of a TPP that is suspended, registered again, or gone, and of a callback URL whose state changed', async (t) => {
      const [one, other] = await twoInstances(t, changes);
      await register(one, ['a', 'gone']);
      await publish(one, 'a', ['e1']);
      // Looking compares with the look before.
      await nextChange(other, ({ offered }) => offered.has('a')).then(
        () => undefined,
        () => undefined,
      );
      const toldOf = (clientId: string) => nextChange(other, ({ retargeted }) => retargeted.has(clientId));
      const [claimed] = await claim(one);
      assert.ok(claimed);
      for (const [clientId, change] of [
        ['a', () => fail(one, claimed, CEASE)],
        ['a', () => one.replaceRegistration(subscriptionOf('a'), START_MS)],
        ['a', () => one.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS)],
        ['gone', () => one.removeTpp('gone', START_MS)],
      ] as const) {
        const told = toldOf(clientId);
        await change();
        await told;
      }
    });
  });
}

describe('messages between instances', () => {
  test('come again after the connection that listens was cut, and what was missed is made up for', async (t) => {
    const [one, other] = await twoInstances(t, LISTENING);
    await register(one, ['a', 'b']);
    await publish(one, 'a', ['e1']);
    const again = nextChange(other, ({ offered }) => offered.has('a'));
    await server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN tidings'");
    await again;
    const told = nextChange(other, ({ offered }) => offered.has('b'));
    await publish(one, 'b', ['e2']);
    await told;
  });

  test('are many changes in one, and reach listeners here at once', async () => {
    const clock = new FakeClock();
    const sent: string[] = [];
    const changes = new Changes({ clock, instance: 'one', send: async (payload) => void sent.push(payload) });
    const told: StoreChange[] = [];
    changes.listen((change) => told.push(change));
    for (const clientId of numbered('tpp-', 10)) changes.announce({ offered: new Set([clientId]) });
    changes.announce({ retargeted: new Set(['tpp-3']) });
    changes.announce({});
    assert.equal(told.length, 11);
    assert.deepEqual(sent, []);
    await clock.advance(20);
    assert.equal(sent.length, 1);
    const other = new Changes({ clock, instance: 'other', send: undefined });
    const heard: StoreChange[] = [];
    other.listen((change) => heard.push(change));
    assert.equal(other.receive(sent[0] ?? ''), false);
    assert.deepEqual(heard, [{ offered: new Set(numbered('tpp-', 10)), retargeted: new Set(['tpp-3']) }]);
    assert.equal(changes.receive(sent[0] ?? ''), false);
    assert.equal(told.length, 11, 'its own message tells it nothing');
    await clock.advance(1000);
    assert.equal(sent.length, 1, 'nothing new, no message');
  });

  test('are not sent while no other instance listens, and again from the moment that one does', async () => {
    const clock = new FakeClock();
    const sent: string[] = [];
    const changes = new Changes({ clock, instance: 'one', send: async (payload) => void sent.push(payload) });
    const announce = async (clientId: string) => {
      changes.announce({ offered: new Set([clientId]) });
      await clock.advance(20);
    };
    await changes.noteAlone(async () => true);
    await announce('unheard');
    assert.deepEqual(sent, []);
    const greetings: string[] = [];
    new Changes({ clock, instance: 'other', send: async (payload) => void greetings.push(payload) }).greet();
    assert.equal(changes.receive(greetings[0] ?? ''), false);
    await announce('heard');
    // One that came while the database was asked.
    await changes.noteAlone(async () => changes.receive(greetings[0] ?? '') === false);
    await announce('heard too');
    assert.deepEqual(
      sent.map((payload) => JSON.parse(payload).o),
      [['heard'], ['heard too']],
    );
  });

  test('are too long for PostgreSQL only when many TPPs changed: then the others look', async () => {
    const clock = new FakeClock();
    const sent: string[] = [];
    const changes = new Changes({ clock, instance: 'one', send: async (payload) => void sent.push(payload) });
    changes.announce({ offered: new Set(numbered('a-client-id-of-thirty-six-characters-', 1000)) });
    await clock.advance(20);
    const [payload = ''] = sent;
    assert.ok(Buffer.byteLength(payload) < 8000);
    assert.equal(new Changes({ clock, instance: 'other', send: undefined }).receive(payload), true);
  });

  test('that are none of ours change nothing', () => {
    const changes = new Changes({ clock: new FakeClock(), instance: 'one', send: undefined });
    changes.listen(() => assert.fail('it was announced'));
    for (const payload of ['', '{', '[]', '7', '{"i":7}', '{"o":[1],"r":[]}', '{"i":"one","o":["a"],"r":[]}']) {
      assert.equal(changes.receive(payload), false, payload);
    }
  });
});

test('an instance that listens nowhere and is alone tells its own listeners all the same', async (t) => {
  const [one] = await twoInstances(t, { isListening: false, pollMs: 60_000 });
  await register(one, ['a']);
  const told = listen(one);
  await publish(one, 'a', ['e1']);
  assert.deepEqual(told(), { offered: ['a'], retargeted: [] });
});
