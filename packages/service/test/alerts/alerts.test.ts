import assert from 'node:assert/strict';
import { after, describe, type TestContext, test } from 'node:test';
import { type Alerts, type AlertsOptions, createAlerts } from '../../src/alerts/alerts.ts';
import type { SendResult } from '../../src/alerts/channel.ts';
import type { OwnFacts, SharedFacts, TroubledTpp } from '../../src/alerts/conditions.ts';
import type { Destination } from '../../src/alerts/destinations.ts';
import type { Message } from '../../src/alerts/message.ts';
import { parseConfig } from '../../src/config/load.ts';
import { MESSAGE_KINDS } from '../../src/model/alert.ts';
import { openSqliteStore } from '../../src/store/sqlite/store.ts';
import type { Store } from '../../src/store/store.ts';
import { MINIMAL } from '../config/settings.ts';
import { FakeClock, START_MS } from '../support/fake-clock.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { openInstance } from '../support/postgres-stores.ts';
import { Quiet } from '../support/quiet.ts';

// From facts to messages, on real stores, with a clock that the test moves.

const server = await startPostgres({ isDurable: false });
after(() => server.stop());

const ROUND_MS = 10_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const LOG = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** What a destination was sent, and how it answers. */
class FakeDestination implements Destination {
  readonly name: string;
  readonly kinds: Destination['kinds'];
  readonly type = 'webhook';
  readonly sendings: { readonly id: string; readonly messages: readonly Message[] }[] = [];
  answer: () => Promise<SendResult> = async () => ({ kind: 'sent' });
  readonly #hanging = new Set<(result: SendResult) => void>();

  constructor(name: string, kinds: Destination['kinds'] = MESSAGE_KINDS) {
    this.name = name;
    this.kinds = kinds;
  }

  readonly channel: Destination['channel'] = {
    send: (id, messages) => {
      this.sendings.push({ id, messages });
      return this.answer();
    },
    close: async () => {
      for (const end of this.#hanging) end({ kind: 'failed', error: 'closed' });
    },
  };

  /** It never answers from now on. */
  hang(): void {
    this.answer = () => new Promise((resolve) => this.#hanging.add(resolve));
  }

  refuse(error = 'it answered with status 500'): void {
    this.answer = async () => ({ kind: 'failed', error });
  }

  /** Titles, a line for each sending. */
  get told(): string[] {
    return this.sendings.map(({ messages }) => messages.map(({ kind, subject }) => `${kind} ${subject}`).join(', '));
  }
}

function failing(clientId: string, changes: Partial<TroubledTpp> = {}): TroubledTpp {
  return {
    ...{ clientId, organisationId: '0015800001TPP', softwareStatementId: 'software-1', failures: 3, lastError: '503' },
    ...{ failingSinceMs: START_MS, unresponsiveSinceMs: undefined, awaiting: 2, oldestAwaitingAtMs: START_MS },
    ...changes,
  };
}

const tpps = (count: number) => Array.from({ length: count }, (_, at) => failing(`tpp-${at}`));

/** The facts of a service, which a test changes. */
class World {
  shared: SharedFacts & { isComplete: boolean } = {
    ...{ troubled: [], awaiting: 0, awaitingMax: 1000, diskFreeBytes: undefined, isComplete: true },
  };
  own: Omit<OwnFacts, 'instance'> = {
    signingKeyProblem: undefined,
    certificates: [],
    tppCertificates: [],
    revokedTpps: [],
  };

  fails(...troubled: readonly TroubledTpp[]): void {
    this.shared = { ...this.shared, troubled };
  }
}

interface Started {
  readonly clock: FakeClock;
  readonly alerts: Alerts;
}

/** Starts alerts on a store, as an instance does. */
function start(
  t: TestContext,
  store: Store,
  world: World,
  destinations: readonly Destination[],
  {
    settings = {},
    instance = 'one:8444',
    ...changes
  }: Partial<AlertsOptions> & { settings?: object; instance?: string } = {},
): Started {
  const quiet = new Quiet();
  const clock = changes.clock instanceof FakeClock ? changes.clock : new FakeClock(() => quiet.settle());
  const { notify } = parseConfig({ ...MINIMAL, notify: { evaluateMs: ROUND_MS, ...settings } }, '/');
  const alerts = createAlerts({
    ...{ notify, destinations, holder: instance, isAlone: true, log: LOG },
    sources: { shared: async () => world.shared, own: async (name) => ({ instance: name, ...world.own }) },
    store: quiet.watch(store),
    ...changes,
    clock,
  });
  alerts.start(instance);
  t.after(() => alerts.stop());
  return { clock, alerts };
}

function openStore(t: TestContext): Store {
  const store = openSqliteStore({ file: ':memory:' });
  t.after(() => store.close());
  return store;
}

describe('alerts', () => {
  test('about what an instance learns with time are not over because it was restarted', async (t) => {
    const [world, people, store] = [new World(), new FakeDestination('people'), openStore(t)];
    world.own = { ...world.own, revokedTpps: [{ clientId: 'tpp-1', why: 'no role', sinceMs: START_MS }] };
    const before = start(t, store, world, [people]);
    await before.clock.advance(MINUTE_MS);
    assert.deepEqual(people.told, ['tpp-revoked tpp-1']);
    await before.alerts.stop();
    world.own = { ...world.own, revokedTpps: [] };
    const { clock } = start(t, store, world, [people]);
    await clock.advance(HOUR_MS);
    assert.deepEqual(people.told, ['tpp-revoked tpp-1']);
    await clock.advance(HOUR_MS + MINUTE_MS);
    assert.deepEqual(people.told, ['tpp-revoked tpp-1', 'recovered tpp-1']);
  });

  test('tell once that a TPP is failing, after the configured time, and that it has recovered', async (t) => {
    const [world, people] = [new World(), new FakeDestination('people')];
    const { clock } = start(t, openStore(t), world, [people]);
    world.fails(failing('tpp-1'));
    await clock.advance(5 * MINUTE_MS - 1);
    assert.deepEqual(people.told, []);
    await clock.advance(HOUR_MS);
    assert.deepEqual(people.told, ['tpp-failing tpp-1']);
    world.fails();
    await clock.advance(ROUND_MS);
    assert.deepEqual(people.told, ['tpp-failing tpp-1', 'recovered tpp-1']);
    const [raised, over] = people.sendings.map(({ messages }) => messages[0]);
    assert.equal(raised?.sinceMs, START_MS);
    assert.match(
      raised?.why ?? '',
      /^3 attempts failed since .* UTC, and none was acknowledged; the last error: 503\.$/,
    );
    assert.deepEqual(raised?.facts['organisation'], '0015800001TPP');
    assert.ok((over?.clearedAtMs ?? 0) > START_MS + HOUR_MS);
  });

  test('go to the destinations that want their kind', async (t) => {
    const [world, all] = [new World(), new FakeDestination('all')];
    const keys = new FakeDestination('keys', ['cannot-sign', 'recovered']);
    const { clock } = start(t, openStore(t), world, [all, keys], { settings: { failingAfterMs: 0 } });
    world.fails(failing('tpp-1'));
    world.own = { ...world.own, signingKeyProblem: 'the current signing key k2 is not here' };
    await clock.advance(ROUND_MS);
    assert.deepEqual(all.told.toSorted(), ['cannot-sign one:8444', 'tpp-failing tpp-1']);
    assert.deepEqual(keys.told, ['cannot-sign one:8444']);
    world.own = { ...world.own, signingKeyProblem: undefined };
    await clock.advance(ROUND_MS);
    assert.deepEqual(keys.told, ['cannot-sign one:8444', 'recovered one:8444']);
  });

  test('are not sent again after a restart, and what was not sent before is sent then', async (t) => {
    const [store, world] = [openStore(t), new World()];
    const [first, second] = [new FakeDestination('people'), new FakeDestination('people')];
    const before = start(t, store, world, [first], { settings: { failingAfterMs: 0 } });
    world.fails(failing('tpp-1'));
    await before.clock.advance(ROUND_MS);
    first.refuse();
    world.fails(failing('tpp-1'), failing('tpp-2'));
    await before.clock.advance(ROUND_MS);
    await before.alerts.stop();
    const { clock } = before;
    start(t, store, world, [second], { settings: { failingAfterMs: 0 }, clock });
    await clock.advance(MINUTE_MS);
    assert.deepEqual(second.told, ['tpp-failing tpp-2']);
    assert.deepEqual([...(await store.unsentAlertMessages())], []);
  });

  test('that were not accepted are sent again with the same id, less and less often, for a day', async (t) => {
    const [store, world, people] = [openStore(t), new World(), new FakeDestination('people')];
    const settings = { failingAfterMs: 0, evaluateMs: 4 * MINUTE_MS };
    const { clock } = start(t, store, world, [people], { settings });
    people.refuse();
    world.fails(failing('tpp-1'));
    await clock.advance(HOUR_MS);
    assert.equal(people.sendings.length, 7, 'at 0, 4, 8, 12, 16, 24 and 40 minutes');
    assert.deepEqual(new Set(people.sendings.map(({ id }) => id)), new Set(['alert-1-tpp-failing']));
    await clock.advance(25 * HOUR_MS);
    const attempts = people.sendings.length;
    assert.ok(attempts > 24 && attempts < 40, `${attempts} attempts`);
    await clock.advance(3 * HOUR_MS);
    assert.equal(people.sendings.length, attempts, 'it is given up');
  });

  test('of many at once are one message, and within an hour there are no more than are allowed', async (t) => {
    const [world, people] = [new World(), new FakeDestination('people')];
    const settings = { failingAfterMs: 0, messagesPerHourMax: 3 };
    const { clock } = start(t, openStore(t), world, [people], { settings });
    world.fails(...tpps(500));
    await clock.advance(ROUND_MS);
    assert.deepEqual(
      people.sendings.map(({ messages }) => messages.length),
      [500],
    );
    // It flaps all the time.
    for (let at = 0; at < 100; at += 1) {
      world.fails(...(at % 2 === 0 ? [] : tpps(2)));
      await clock.advance(ROUND_MS);
    }
    assert.equal(people.sendings.length, 3);
    world.fails();
    await clock.advance(HOUR_MS);
    assert.ok(people.sendings.length <= 6);
    assert.equal(people.sendings.at(-1)?.messages.at(-1)?.kind, 'recovered', 'the last message is true');
  });

  test('to a destination that hangs delay neither others nor what is found', async (t) => {
    const [store, world] = [openStore(t), new World()];
    const [stuck, people] = [new FakeDestination('stuck'), new FakeDestination('people')];
    const { clock, alerts } = start(t, store, world, [stuck, people], { settings: { failingAfterMs: 0 } });
    stuck.hang();
    world.fails(failing('tpp-1'));
    await clock.advance(ROUND_MS);
    world.fails(failing('tpp-1'), failing('tpp-2'));
    await clock.advance(ROUND_MS);
    assert.deepEqual(people.told, ['tpp-failing tpp-1', 'tpp-failing tpp-2']);
    assert.deepEqual(stuck.told, ['tpp-failing tpp-1']);
    await alerts.stop();
    assert.deepEqual([...(await store.unsentAlertMessages())], [['stuck', 2]]);
  });

  test('go on when facts or the store are unavailable for a time', async (t) => {
    const [world, people] = [new World(), new FakeDestination('people')];
    let isAway = true;
    const sources = {
      shared: async () => (isAway ? Promise.reject(new Error('away')) : world.shared),
      own: async (instance: string) => ({ instance, ...world.own }),
    };
    const { clock } = start(t, openStore(t), world, [people], { settings: { failingAfterMs: 0 }, sources });
    world.fails(failing('tpp-1'));
    await clock.advance(MINUTE_MS);
    assert.deepEqual(people.told, []);
    isAway = false;
    await clock.advance(ROUND_MS);
    assert.deepEqual(people.told, ['tpp-failing tpp-1']);
  });

  test('stay open where not all that fails could be examined', async (t) => {
    const [world, people] = [new World(), new FakeDestination('people')];
    const { clock } = start(t, openStore(t), world, [people], { settings: { failingAfterMs: 0 } });
    world.fails(failing('tpp-1'));
    await clock.advance(ROUND_MS);
    world.shared = { ...world.shared, troubled: [failing('tpp-2')], isComplete: false };
    await clock.advance(ROUND_MS);
    assert.deepEqual(people.told, ['tpp-failing tpp-1', 'tpp-failing tpp-2']);
  });

  test('use other settings and destinations from a reload on', async (t) => {
    const [world, people, others] = [new World(), new FakeDestination('people'), new FakeDestination('others')];
    const { clock, alerts } = start(t, openStore(t), world, [people]);
    world.fails(failing('tpp-1'));
    await clock.advance(ROUND_MS);
    const { notify } = parseConfig({ ...MINIMAL, notify: { failingAfterMs: 0 } }, '/');
    await alerts.replace(notify, [others]);
    await clock.advance(ROUND_MS);
    assert.deepEqual([people.told, others.told], [[], ['tpp-failing tpp-1']]);
  });
});

describe('several instances on one PostgreSQL', () => {
  test('send each message once, whichever is there, and each tells of itself', async (t) => {
    const url = await server.createDatabase();
    const stores = [await openInstance(t, url), await openInstance(t, url), await openInstance(t, url)];
    const [world, people] = [new World(), new FakeDestination('people')];
    const settings = { failingAfterMs: 0 };
    const quiet = new Quiet();
    const clock = new FakeClock(() => quiet.settle());
    const instances = stores.map((store, at) => {
      const instance = `host-${at}:8444`;
      const own = async (name: string): Promise<OwnFacts> => {
        const signingKeyProblem = at === 2 ? 'the current signing key k2 is not here' : undefined;
        return { instance: name, certificates: [], tppCertificates: [], revokedTpps: [], signingKeyProblem };
      };
      const sources = { shared: async () => world.shared, own };
      return start(t, quiet.watch(store), world, [people], { settings, instance, isAlone: false, clock, sources });
    });
    world.fails(failing('tpp-1'), failing('tpp-2'));
    await clock.advance(3 * ROUND_MS);
    const first = ['cannot-sign host-2:8444', 'tpp-failing tpp-1', 'tpp-failing tpp-2'];
    assert.deepEqual(people.told.toSorted(), first);
    // The one that examined for all is gone, and so is the one that could not sign.
    await instances[0]?.alerts.stop();
    await instances[2]?.alerts.stop();
    world.fails(failing('tpp-2'), failing('tpp-3'));
    await clock.advance(5 * MINUTE_MS);
    const then = ['recovered host-2:8444', 'recovered tpp-1', 'tpp-failing tpp-3'];
    assert.deepEqual(people.told.toSorted(), [...first, ...then].toSorted());
  });
});
