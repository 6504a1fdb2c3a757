import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { unusedPort } from '@tidings/testing';
import fc from 'fast-check';
import { VERSIONS, type Version } from '../support/answers.ts';
import { startBank } from '../support/bank.ts';
import { makeTpp, type Resource, type Tpp } from '../support/tpp.ts';
import { type Model, ModelTpp, WITHHELD_TICKS } from './model.ts';

// Any sequence of registrations, publishes, acknowledgements, errors and polls of two TPPs, over the live API, against a
// small model. Time is put forward by a little more than an interval, so that the time that the test itself takes, far
// less than a tenth of an interval in one run, decides nothing.

const INTERVAL_MS = 300_000;
const TICK_MS = 1.1 * INTERVAL_MS;
const clients = ['tpp-0', 'tpp-1'];
const polling = {
  reofferMs: WITHHELD_TICKS.offered * INTERVAL_MS,
  reofferAfterErrorMs: WITHHELD_TICKS.error * INTERVAL_MS,
};
const bank = await startBank({ clients, settings: { polling, log: { level: 'warn' } } });
const parties = (await Promise.all(clients.map((clientId) => makeTpp(bank, clientId)))) as [Tpp, Tpp];
after(async () => {
  for (const party of parties) party.close();
  await bank.stop();
});

type Who = 0 | 1;
type Command = fc.AsyncCommand<Model, null>;

/** A command that may always run. */
function command(name: string, run: (model: Model) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

// Nothing listens there: what is sent fails, and stays awaiting.
const DEAD_URL = `https://localhost:${await unusedPort()}/v4.0/event-notifications`;
const DATA = {
  'event-subscriptions': { CallbackUrl: DEAD_URL, Version: '3.1.2' },
  'callback-urls': { Url: DEAD_URL, Version: '3.1.2' },
} as const;

const create = (who: Who, resource: Resource, version: Version) =>
  command(`create(${who}, ${resource}, ${version})`, async ({ tpps }) => {
    const { registrations } = tpps[who];
    const body = JSON.stringify({ Data: DATA[resource] });
    const answer = await parties[who].call('POST', version, resource, { body });
    assert.equal(answer.status, registrations[resource] === undefined ? 201 : 409);
    if (answer.status === 409) return;
    const { EventSubscriptionId, CallbackUrlId } = JSON.parse(answer.body.toString()).Data;
    registrations[resource] = { id: EventSubscriptionId ?? CallbackUrlId, madeThrough: version };
  });

const replace = (who: Who, resource: Resource, version: Version) =>
  command(`replace(${who}, ${resource}, ${version})`, async ({ tpps }) => {
    const found = tpps[who].registrations[resource];
    const answer = await parties[who].put(version, resource, found?.id ?? 'none', DATA[resource]);
    assert.equal(answer.status, tpps[who].changeStatus(resource, version, 200));
    if (answer.status === 200 && found !== undefined) found.madeThrough = version;
  });

const remove = (who: Who, resource: Resource, version: Version) =>
  command(`remove(${who}, ${resource}, ${version})`, async ({ tpps }) => {
    const id = tpps[who].registrations[resource]?.id ?? 'none';
    const answer = await parties[who].remove(version, resource, id);
    assert.equal(answer.status, tpps[who].changeStatus(resource, version, 204));
    if (answer.status === 204) tpps[who].delete(resource);
  });

const list = (who: Who, resource: Resource, version: Version) =>
  command(`list(${who}, ${resource}, ${version})`, async ({ tpps }) => {
    const found = await parties[who].list(version, resource);
    const ids = found.map((each) => each['EventSubscriptionId'] ?? each['CallbackUrlId']);
    assert.deepEqual(ids, tpps[who].listed(resource, version));
  });

const publish = (who: Who) =>
  command(`publish(${who})`, async ({ tpps, tick }) => {
    const { registrations, notifications } = tpps[who];
    const jti = await bank.publish(clients[who] ?? '');
    assert.equal(jti !== undefined, Object.keys(registrations).length > 0);
    if (jti !== undefined) notifications.push({ jti, state: 'awaiting', offerAtTick: tick });
  });

const pass = () =>
  command('pass()', async (model) => {
    bank.clock.aheadMs += TICK_MS;
    model.tick += 1;
  });

/** Acknowledges and reports notifications of any state and of both TPPs, by their places in the order of publishing. */
const poll = (who: Who, version: Version, wanted: { maxEvents: number; ack: Place[]; errors: Place[] }) =>
  command(`poll(${who}, ${version}, ${JSON.stringify(wanted)})`, async ({ tpps, tick }) => {
    const jtiOf = ([of, at]: Place) => tpps[of].notifications.at(-1 - at)?.jti ?? 'unknown';
    const [ack, errors] = [wanted.ack.map(jtiOf), wanted.errors.map(jtiOf)];
    const setErrs = Object.fromEntries(errors.map((jti) => [jti, { err: 'jwtClaims', description: 'by the model' }]));
    const body = JSON.stringify({ maxEvents: wanted.maxEvents, ack, setErrs });
    const answer = await parties[who].call('POST', version, 'events', { body });
    const expected = tpps[who].poll({ ack, errors, maxEvents: wanted.maxEvents }, tick);
    if (expected === undefined) {
      assert.equal(answer.status, 403);
      return;
    }
    const { sets, moreAvailable } = JSON.parse(answer.body.toString());
    assert.deepEqual({ jtis: Object.keys(sets), moreAvailable }, expected);
  });

/** Of which TPP, and how many were published after it. */
type Place = [Who, number];

function commands() {
  const who = fc.constantFrom<Who>(0, 1);
  const version = fc.constantFrom(...VERSIONS);
  const resource = fc.constantFrom<Resource>('event-subscriptions', 'event-subscriptions', 'callback-urls');
  const places = fc.array(fc.tuple(who, fc.nat(5)), { maxLength: 3 });
  const asked = fc.record({ maxEvents: fc.nat(4), ack: places, errors: places });
  const onRegistrations = [create, create, replace, remove, list];
  const polls = fc.tuple(who, version, asked).map((args) => poll(...args));
  const publishes = who.map(publish);
  return fc.commands(
    [
      ...onRegistrations.map((make) => fc.tuple(who, resource, version).map((args) => make(...args))),
      ...[publishes, publishes, publishes, polls, polls, polls, polls],
      fc.constant(null).map(pass),
    ],
    { maxCommands: 80, size: 'max' },
  );
}

test('any sequence of operations of two TPPs does what the model says [6 model]', async () => {
  await fc.assert(
    fc.asyncProperty(commands(), async (sequence) => {
      for (const party of parties) await party.clear();
      const model: Model = { tick: 0, tpps: [new ModelTpp(), new ModelTpp()] };
      await fc.asyncModelRun(() => ({ model, real: null }), sequence);
      for (const { notifications } of model.tpps) {
        for (const { jti, state } of notifications) assert.equal((await bank.notification(jti))['state'], state);
      }
    }),
    { numRuns: 40, seed: 20_261_121 },
  );
});
