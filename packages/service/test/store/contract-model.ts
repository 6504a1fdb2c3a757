import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ClaimedNotification } from '../../src/model/notification.ts';
import type { Store } from '../../src/store/store.ts';
import {
  bankEvent,
  deletionOf,
  jtiOf,
  notifyAll,
  subscriptionIn,
  subscriptionOf,
  tppOf,
} from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { Model, type ModelClaim, type ModelNotification } from './model.ts';
import { ACKNOWLEDGED, look, type OpenedStore, type OpenFor, REFUSED, recordAll } from './opened.ts';

// Fixed, so that a run that passes here passes everywhere; exploration is for whoever changes the store.
const SEED = 20_261_121;
const COMMANDS_MAX = 60;
const LEASE_MS = 1000;
const PROBE_MS = 800;
const REOFFER_MS = 700;
const REOFFER_AFTER_ERROR_MS = 1500;
const TPPS = ['a', 'b'];
const URLS = ['https://one.example/event-notifications', 'https://two.example/event-notifications', undefined];

/** Random histories where each takes little. */
export const HISTORIES = 70;

/** The store under test, which commands may close and open again. */
interface Real {
  readonly opened: OpenedStore;
  store: Store;
}

type Command = fc.AsyncCommand<Model, Real>;

/** Makes a command that acts on both and then compares them wholly. */
function command(name: string, act: (model: Model, real: Real) => Promise<void>, possible?: (model: Model) => boolean) {
  return {
    check: (model: Model) => possible?.(model) ?? true,
    run: async (model: Model, real: Real) => {
      await act(model, real);
      await compare(model, real.store);
    },
    toString: () => name,
  } satisfies Command;
}

/** Nothing that was accepted is lost, and each notification stands where the model says. */
async function compare(model: Model, store: Store): Promise<void> {
  for (const expected of model.notifications.values()) {
    const { state, nextAttemptAtMs, attempts } = await look(store, expected.jti);
    const shown = { jti: expected.jti, state: expected.state, attempts: expected.attempts };
    assert.deepEqual({ jti: expected.jti, state, attempts: attempts.length }, shown);
    assert.equal(dueOrWhen(model, nextAttemptAtMs), dueOrWhen(model, nextAttemptOf(model, expected)), expected.jti);
  }
  for (const [clientId, expected] of model.tpps) {
    const found = await subscriptionIn(store, clientId);
    assert.equal(found?.id, expected.id);
    assert.equal(found?.callbackUrl, expected.callbackUrl);
    const isUnresponsive = expected.probeAtMs !== undefined;
    if (found !== undefined) assert.equal(found.unresponsiveSinceMs !== undefined, isUnresponsive);
  }
  const { nextDueAtMs = Number.POSITIVE_INFINITY } = await store.claimDue({ ...CLAIM_NOTHING, nowMs: model.nowMs });
  const { earliest, latest } = model.nextDues();
  assert.ok(nextDueAtMs >= earliest && nextDueAtMs <= latest, `${earliest} <= ${nextDueAtMs} <= ${latest}`);
}

const CLAIM_NOTHING = { leaseMs: LEASE_MS, limit: 0, capacityFor: () => 0 };

function nextAttemptOf(model: Model, { clientId, state, lease, dueAtMs }: ModelNotification): number | undefined {
  const isPushed = model.urlOf(clientId) !== undefined && model.tpp(clientId).probeAtMs === undefined;
  return state === 'awaiting' && isPushed ? (lease?.untilMs ?? dueAtMs) : undefined;
}

/** What is due may be so since whenever. */
function dueOrWhen(model: Model, atMs: number | undefined): number | 'due' | undefined {
  return atMs !== undefined && atMs <= model.nowMs ? 'due' : atMs;
}

/** @param room how many may be handed over; 0: it is not asked for */
function publish(tpp: string, eventNumber: number, room: number): Command {
  return command(`publish(${tpp}, ${eventNumber}, ${room})`, async (model, { store }) => {
    const clientId = model.clientId(tpp);
    const eventId = `${clientId}-${eventNumber}`;
    const decide: typeof notifyAll = (event, tpp, subscription) =>
      subscription === undefined ? { kind: 'none', reason: 'no-registration' } : notifyAll(event, tpp, subscription);
    const handOver = room === 0 ? undefined : { leaseMs: LEASE_MS, limit: 10, capacityFor: () => room };
    const result = await store.publish([bankEvent(clientId, eventId)], decide, model.nowMs, handOver);
    assert.ok(result.kind === 'published');
    const [outcome] = result.outcomes;
    const isFresh = !model.events.has(eventId);
    assert.equal(outcome?.repeated, !isFresh);
    if (isFresh) model.publish(eventId, clientId, jtiOf(eventId));
    assert.equal(outcome?.kind === 'notification' ? outcome.jti : undefined, model.events.get(eventId));
    const isPushed = model.urlOf(clientId) !== undefined && model.tpp(clientId).probeAtMs === undefined;
    assert.equal(result.claimed.length, isFresh && isPushed && room > 0 ? 1 : 0);
    for (const one of result.claimed) model.claim(one, LEASE_MS);
  });
}

function claim(limit: number, room: number, isOnTrial: boolean): Command {
  return command(`claim(${limit}, ${room}${isOnTrial ? ', on trial' : ''})`, async (model, { store }) => {
    const capacity = { limit, capacityFor: () => room, isOnTrial: () => isOnTrial };
    const { claimed } = await store.claimDue({ nowMs: model.nowMs, leaseMs: LEASE_MS, ...capacity });
    const clientIds = TPPS.map((tpp) => model.clientId(tpp));
    const most = (clientId: string) => (model.tpp(clientId).probeAtMs === undefined ? room : Math.min(room, 1));
    const expected = clientIds.map((clientId) => Math.min(model.dueOf(clientId).length, most(clientId)));
    const all = expected.reduce((sum, count) => sum + count, 0);
    assert.equal(claimed.length, Math.min(limit, all));
    for (const clientId of clientIds) {
      const mine = claimed.filter((one) => one.clientId === clientId);
      assert.ok(mine.length <= most(clientId));
      const [first, ...others] = mine.map(({ jti }) => jti);
      const due = model.dueOf(clientId);
      if (!isOnTrial || model.tpp(clientId).probeAtMs !== undefined)
        assertInOrder(
          mine.map(({ jti }) => jti),
          due,
        );
      else if (first !== undefined) {
        assert.equal(first, due.toSorted((left, right) => left.order - right.order)[0]?.jti);
        assertInOrder(
          others,
          due.filter(({ jti }) => jti !== first),
        );
      }
    }
    for (const one of claimed) model.claim(one, LEASE_MS);
  });
}

/** Of first attempts and of retries, what was never claimed since it was placed comes in order, with nothing left out. */
function assertInOrder(jtis: readonly string[], due: readonly ModelNotification[]): void {
  for (const isRetry of [false, true]) {
    const placed = due.filter((one) => !one.isOutOfPlace && one.isRetry === isRetry).map(({ jti }) => jti);
    const claimed = jtis.filter((jti) => placed.includes(jti));
    assert.deepEqual(claimed, placed.slice(0, claimed.length));
  }
}

/** Takes a claim out of those that are held; at least one must be. */
function takeClaim(model: Model, at: number): ModelClaim {
  return model.claims.splice(at % model.claims.length, 1)[0] ?? assert.fail('no claim is held');
}

const holdsClaim = (model: Model) => model.claims.length > 0;

type Ending = 'acknowledged' | 'retry' | 'cease';

/** Records several at once. */
function record(picks: readonly (readonly [number, Ending])[], delayMs: number): Command {
  const act = async (model: Model, { store }: Real) => {
    const held = picks.slice(0, model.claims.length).map(([at, kind]) => [takeClaim(model, at), kind] as const);
    const records = held.map(([{ claimed }, kind]) => ({ claimed, ...attempted(model, claimed, kind, delayMs) }));
    const results = await recordAll(store, records, model.nowMs);
    const retryAtMs = model.nowMs + delayMs;
    const expected = held.map(([claim, kind]) =>
      kind === 'acknowledged'
        ? model.acknowledge(claim)
        : model.fail(claim, kind === 'retry' ? retryAtMs : undefined, model.nowMs + PROBE_MS),
    );
    assert.deepEqual(results, expected);
  };
  return command(`record(${JSON.stringify(picks)}, ${delayMs})`, act, holdsClaim);
}

function attempted(model: Model, claimed: ClaimedNotification, kind: Ending, delayMs: number) {
  const { callbackUrl } = claimed;
  const outcome = kind === 'acknowledged' ? ACKNOWLEDGED : REFUSED;
  const attempt = { startedAtMs: model.nowMs, durationMs: 0, interactionId: model.newId(), callbackUrl, outcome };
  if (kind === 'acknowledged') return { attempt, next: { kind } };
  if (kind === 'retry') return { attempt, next: { kind, atMs: model.nowMs + delayMs } };
  return { attempt, next: { kind, probeAtMs: model.nowMs + PROBE_MS } };
}

/** Acknowledges and reports some of what is known, of whichever TPP it is, and asks for more. */
function poll(tpp: string, maxEvents: number, ack: readonly number[], err: readonly number[]): Command {
  return command(`poll(${tpp}, ${maxEvents}, [${ack}], [${err}])`, async (model, { store }) => {
    const clientId = model.clientId(tpp);
    const known = [...model.notifications.keys()];
    const some = (numbers: readonly number[]) =>
      known.length === 0 ? [] : numbers.map((number) => known[number % known.length] ?? '');
    const acknowledged = [...new Set(some(ack))];
    const errors = [...new Set(some(err))].filter((jti) => !acknowledged.includes(jti));
    const limits = { maxEvents, reofferMs: REOFFER_MS, reofferAfterErrorMs: REOFFER_AFTER_ERROR_MS };
    const { notifications, moreAvailable } = await store.poll({
      ...{ clientId, acknowledged, nowMs: model.nowMs, ...limits },
      errors: errors.map((jti) => ({ jti, err: 'invalid_request', description: 'as the model says' })),
    });
    const jtis = notifications.map(({ jti }) => jti);
    assert.deepEqual({ jtis, moreAvailable }, model.poll(clientId, { acknowledged, errors }, limits));
  });
}

function release(at: number): Command {
  const act = async (model: Model, { store }: Real) => {
    const held = takeClaim(model, at);
    await store.release([held.claimed], model.nowMs);
    model.release(held);
  };
  return command(`release(${at})`, act, holdsClaim);
}

function advance(byMs: number): Command {
  return command(`advance(${byMs})`, async (model) => {
    model.nowMs += byMs;
  });
}

function register(tpp: string, callbackUrl: string | undefined): Command {
  return command(`register(${tpp}, ${callbackUrl})`, async (model, { store }) => {
    const clientId = model.clientId(tpp);
    const known = model.tpp(clientId).id;
    const id = known ?? model.newId();
    const subscription = subscriptionOf(clientId, { id: id, callbackUrl });
    if (known === undefined) assert.equal(await store.createRegistration(subscription, model.nowMs), 'created');
    else assert.equal(await store.replaceRegistration(subscription, model.nowMs), 'changed');
    model.register(clientId, id, callbackUrl);
  });
}

function suspend(tpp: string, isSuspended: boolean): Command {
  return command(`suspend(${tpp}, ${isSuspended})`, async (model, { store }) => {
    const clientId = model.clientId(tpp);
    await store.putTpp({ ...tppOf(clientId), isSuspended }, model.nowMs);
    model.suspend(clientId, isSuspended);
  });
}

const AUDIT = { atMs: START_MS, actor: 'ops', action: 'some', subject: 'one', detail: {} };

function recover(tpp: string, how: 'responsive' | 'probe-now'): Command {
  return command(`recover(${tpp}, ${how})`, async (model, { store }) => {
    const clientId = model.clientId(tpp);
    const known = model.tpp(clientId);
    const isAway = known.probeAtMs !== undefined && model.urlOf(clientId) !== undefined;
    assert.equal(await store.recover(clientId, how, model.nowMs, AUDIT), isAway);
    if (isAway && how === 'responsive') model.recover(clientId);
    else if (isAway) known.probeAtMs = model.nowMs;
  });
}

function redeliver(tpp: string, only: 'failed' | 'awaiting' | undefined, delayMs: number): Command {
  const act = async (model: Model, { store }: Real) => {
    const clientId = model.clientId(tpp);
    const firstDueAtMs = model.nowMs + delayMs;
    const filter = { clientId, ...(only !== undefined && { only }) };
    const common = { filter, after: undefined, limit: 100, firstDueAtMs, spacingMs: 0 };
    const audit = { ...AUDIT, atMs: model.nowMs };
    const dry = await store.redeliver({ ...common, audit, isDryRun: true });
    const done = await store.redeliver({ ...common, audit, isDryRun: false });
    assert.equal(dry.count, done.count);
    assert.equal(done.count, model.redeliver(clientId, only, firstDueAtMs));
  };
  return command(`redeliver(${tpp}, ${only}, ${delayMs})`, act, (model) => !model.hasLapsedLease());
}

function expire(olderThanMs: number): Command {
  const act = async (model: Model, { store }: Real) => {
    const beforeMs = model.nowMs - olderThanMs;
    assert.equal(await store.expireAwaiting(beforeMs, 100, model.nowMs), model.expire(beforeMs));
  };
  return command(`expire(${olderThanMs})`, act, (model) => !model.hasLapsedLease());
}

function remove(tpp: string): Command {
  const act = (model: Model, { store }: Real) => deleteFrom(model, store, tpp);
  return command(`delete(${tpp})`, act, (model) => model.tpp(model.clientId(tpp)).id !== undefined);
}

async function deleteFrom(model: Model, store: Store, tpp: string): Promise<void> {
  const clientId = model.clientId(tpp);
  const id = model.tpp(clientId).id ?? assert.fail('nothing to delete');
  assert.equal(await store.deleteRegistration(deletionOf(subscriptionOf(clientId, { id })), model.nowMs), 'changed');
  model.delete(clientId);
}

/** Whoever held a claim is gone; the notification is due again when its lease has run out, or sooner. */
function reopen(): Command {
  return command('reopen', async (model, real) => {
    model.nowMs += LEASE_MS;
    real.store = await real.opened.reopen();
    model.claims.length = 0;
    for (const notification of model.awaiting()) notification.lease = undefined;
  });
}

const someTpp = fc.constantFrom(...TPPS);
const delayMs = fc.integer({ min: 0, max: 1500 });
const rooms = fc.integer({ min: 0, max: 1 });
const publications = fc.tuple(someTpp, fc.integer({ min: 0, max: 8 }), rooms).map((args) => publish(...args));
const claims = fc
  .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 4 }), fc.boolean())
  .map((args) => claim(...args));
const endings = fc.constantFrom('acknowledged' as const, 'retry' as const, 'cease' as const);
const records = fc
  .tuple(fc.array(fc.tuple(fc.nat(20), endings), { minLength: 1, maxLength: 3 }), delayMs)
  .map((args) => record(...args));
const whichOnly = fc.constantFrom('failed' as const, 'awaiting' as const, undefined);

const somePicks = fc.array(fc.nat(20), { maxLength: 2 });
const polls = fc
  .tuple(someTpp, fc.integer({ min: 0, max: 3 }), somePicks, somePicks)
  .map(([tpp, maxEvents, ack, err]) => poll(tpp, maxEvents, ack, err));

// What is named more than once happens more often.
const someHistory = fc.commands(
  [
    ...[publications, publications, claims, claims, claims, records, records],
    delayMs.map(advance),
    delayMs.map(advance),
    ...[polls, polls],
    fc.nat(20).map(release),
    fc.tuple(someTpp, fc.boolean()).map((args) => suspend(...args)),
    fc.tuple(someTpp, fc.constantFrom('responsive' as const, 'probe-now' as const)).map((args) => recover(...args)),
    fc.tuple(someTpp, whichOnly, delayMs).map((args) => redeliver(...args)),
    fc.integer({ min: 1000, max: 6000 }).map(expire),
    fc.tuple(someTpp, fc.constantFrom(...URLS)).map((args) => register(...args)),
    someTpp.map(remove),
    fc.constant(reopen()),
  ],
  { maxCommands: COMMANDS_MAX, size: 'max' },
);

/** Random histories of a store, so many, against a model of it in plain objects. */
export function describeModel(open: OpenFor, histories: number): void {
  test('whatever happens in whatever order, nothing accepted is lost and no two live leases meet', async (t) => {
    const opened = await open(t);
    const real: Real = { opened, store: opened.store };
    let count = 0;
    await fc.assert(
      fc.asyncProperty(someHistory, async (history) => {
        count += 1;
        await runHistory(new Model(`history-${count}`), real, history);
      }),
      { numRuns: histories, seed: SEED },
    );
    assert.ok(count >= histories);
  });
}

/** Every history begins with callback URLs, and leaves nothing that the next one could meet. */
async function runHistory(model: Model, real: Real, history: Iterable<Command>): Promise<void> {
  try {
    for (const tpp of TPPS) await register(tpp, URLS[0]).run(model, real);
    await fc.asyncModelRun(() => ({ model, real }), history);
  } finally {
    for (const tpp of TPPS) {
      if (model.tpp(model.clientId(tpp)).id !== undefined) await deleteFrom(model, real.store, tpp);
    }
  }
}
