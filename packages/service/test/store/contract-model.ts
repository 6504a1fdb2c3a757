import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Store } from '../../src/store/store.ts';
import { bankEvent, jtiOf, notifyAll, subscriptionOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import { Model, type ModelClaim } from './model.ts';
import { ACKNOWLEDGED, look, type OpenedStore, type OpenFor, REFUSED } from './opened.ts';

// Fixed, so that a run that passes here passes everywhere; exploration is for whoever changes the store.
const SEED = 20_261_121;
const RUNS = 150;
const COMMANDS_MAX = 60;
const LEASE_MS = 1000;
const REOFFER_MS = 700;
const REOFFER_AFTER_ERROR_MS = 1500;
const TPPS = ['a', 'b'];
const URLS = ['https://one.example/event-notifications', 'https://two.example/event-notifications', undefined];

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
    assert.deepEqual(
      { jti: expected.jti, state, nextAttemptAtMs, attempts: attempts.length },
      {
        jti: expected.jti,
        state: expected.state,
        nextAttemptAtMs: expected.dueAtMs,
        attempts: expected.attempts,
      },
    );
  }
  for (const clientId of TPPS.map((tpp) => model.clientId(tpp))) {
    const expected = model.registrations.get(clientId);
    const found = await store.subscriptionOf(clientId);
    assert.equal(found?.eventSubscriptionId, expected?.id);
    assert.equal(found?.callbackUrl, expected?.callbackUrl);
    assert.equal(found !== undefined && found.unresponsiveSinceMs !== undefined, expected?.unresponsive ?? false);
    assert.equal(await store.nextDueAtMs(new Set([clientId])), model.nextDueAtMs(clientId));
  }
  assert.equal(await store.nextDueAtMs(new Set()), model.nextDueAtMs());
}

function publish(tpp: string, eventNumber: number): Command {
  return command(`publish(${tpp}, ${eventNumber})`, async (model, { store }) => {
    const clientId = model.clientId(tpp);
    const eventId = `${clientId}-${eventNumber}`;
    const decide: typeof notifyAll = (event, tpp, subscription) =>
      subscription === undefined ? { kind: 'none', reason: 'no-registration' } : notifyAll(event, tpp, subscription);
    const result = await store.publish([bankEvent(clientId, eventId)], decide, model.nowMs);
    const outcome = result.kind === 'published' ? result.outcomes[0] : undefined;
    assert.equal(outcome?.repeated, model.events.has(eventId));
    if (!model.events.has(eventId)) model.publish(eventId, clientId, jtiOf(eventId));
    assert.equal(outcome?.kind === 'notification' ? outcome.jti : undefined, model.events.get(eventId));
  });
}

function claim(limit: number, perTppMax: number): Command {
  return command(`claim(${limit}, ${perTppMax})`, async (model, { store }) => {
    const options = { nowMs: model.nowMs, leaseMs: LEASE_MS, limit, perTppMax, inFlight: new Map() };
    const claimed = await store.claimDue(options);
    const dues = TPPS.map((tpp) => model.dueOf(model.clientId(tpp)));
    const expected = dues.reduce((sum, due) => sum + Math.min(due.length, perTppMax), 0);
    assert.equal(claimed.length, Math.min(limit, expected));
    for (const due of dues) {
      const mine = claimed.filter(({ clientId }) => clientId === due[0]?.clientId).map(({ jti }) => jti);
      assert.ok(mine.length <= perTppMax);
      assert.deepEqual(
        mine,
        due.slice(0, mine.length).map(({ jti }) => jti),
      );
    }
    for (const one of claimed) model.claim(one, LEASE_MS);
  });
}

/** Takes a claim out of those that are held; at least one must be. */
function takeClaim(model: Model, at: number): ModelClaim {
  return model.claims.splice(at % model.claims.length, 1)[0] ?? assert.fail('no claim is held');
}

const holdsClaim = (model: Model) => model.claims.length > 0;

function record(at: number, kind: 'acknowledged' | 'retry' | 'cease', delayMs: number): Command {
  const act = async (model: Model, { store }: Real) => {
    const held = takeClaim(model, at);
    const attempt = {
      startedAtMs: model.nowMs,
      durationMs: 0,
      interactionId: model.newId(),
      callbackUrl: held.claimed.callbackUrl,
      outcome: kind === 'acknowledged' ? ACKNOWLEDGED : REFUSED,
    };
    const retryAtMs = model.nowMs + delayMs;
    const next = kind === 'retry' ? { kind, atMs: retryAtMs } : { kind };
    const applied = await store.recordAttempt(held.claimed, attempt, next);
    const expected =
      kind === 'acknowledged' ? model.acknowledge(held) : model.fail(held, kind === 'retry' ? retryAtMs : undefined);
    assert.equal(applied, expected);
  };
  return command(`record(${at}, ${kind}, ${delayMs})`, act, holdsClaim);
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
    const known = model.registrations.get(clientId);
    const id = known?.id ?? model.newId();
    const subscription = subscriptionOf(clientId, { eventSubscriptionId: id, callbackUrl });
    if (known === undefined) {
      assert.equal(await store.createSubscription(subscription, START_MS), 'created');
      model.registrations.set(clientId, { id, callbackUrl, unresponsive: false });
    } else {
      assert.equal(await store.replaceSubscription(subscription, model.nowMs), 'changed');
      model.replace(clientId, callbackUrl);
    }
  });
}

function remove(tpp: string): Command {
  const act = (model: Model, { store }: Real) => deleteFrom(model, store, tpp);
  return command(`delete(${tpp})`, act, (model) => model.registrations.has(model.clientId(tpp)));
}

async function deleteFrom(model: Model, store: Store, tpp: string): Promise<void> {
  const clientId = model.clientId(tpp);
  const { id } = model.registrations.get(clientId) ?? assert.fail('nothing to delete');
  assert.equal(await store.deleteSubscription(clientId, id, 'v4.0'), 'changed');
  model.delete(clientId);
}

/** Whoever held a claim is gone; the notification is due again when its lease has run out, or sooner. */
function reopen(): Command {
  return command('reopen', async (model, real) => {
    model.nowMs += LEASE_MS;
    real.store = await real.opened.reopen(model.nowMs);
    model.claims.length = 0;
    for (const notification of model.notifications.values()) {
      if (notification.lease === undefined) continue;
      const { nextAttemptAtMs } = await look(real.store, notification.jti);
      assert.ok(nextAttemptAtMs !== undefined && nextAttemptAtMs <= model.nowMs, `${notification.jti} was lost`);
      notification.dueAtMs = nextAttemptAtMs;
      notification.lease = undefined;
    }
  });
}

const someTpp = fc.constantFrom(...TPPS);
const delayMs = fc.integer({ min: 0, max: 1500 });
const publications = fc.tuple(someTpp, fc.integer({ min: 0, max: 6 })).map((args) => publish(...args));
const claims = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 })).map((args) => claim(...args));
const records = fc
  .tuple(fc.nat(20), fc.constantFrom('acknowledged' as const, 'retry' as const, 'cease' as const), delayMs)
  .map((args) => record(...args));

const somePicks = fc.array(fc.nat(20), { maxLength: 2 });
const polls = fc
  .tuple(someTpp, fc.integer({ min: 0, max: 3 }), somePicks, somePicks)
  .map(([tpp, maxEvents, ack, err]) => poll(tpp, maxEvents, ack, err));

// What is named more than once happens more often.
const histories = fc.commands(
  [
    ...[publications, publications, claims, claims, claims, records, records],
    delayMs.map(advance),
    delayMs.map(advance),
    ...[polls, polls],
    fc.nat(20).map(release),
    fc.tuple(someTpp, fc.constantFrom(...URLS)).map((args) => register(...args)),
    someTpp.map(remove),
    fc.constant(reopen()),
  ],
  { maxCommands: COMMANDS_MAX, size: 'max' },
);

/** Random histories of a store, against a model of it in plain objects. */
export function describeModel(open: OpenFor): void {
  test('whatever happens in whatever order, nothing accepted is lost and no two live leases meet', async (t) => {
    const opened = await open(t);
    const real: Real = { opened, store: opened.store };
    let count = 0;
    await fc.assert(
      fc.asyncProperty(histories, async (history) => {
        count += 1;
        await runHistory(new Model(`history-${count}`), real, history);
      }),
      { numRuns: RUNS, seed: SEED },
    );
    assert.ok(count >= RUNS);
  });
}

/** Every history begins with callback URLs, and leaves nothing that the next one could meet. */
async function runHistory(model: Model, real: Real, history: Iterable<Command>): Promise<void> {
  try {
    for (const tpp of TPPS) await register(tpp, URLS[0]).run(model, real);
    await fc.asyncModelRun(() => ({ model, real }), history);
  } finally {
    for (const tpp of TPPS) {
      if (model.registrations.has(model.clientId(tpp))) await deleteFrom(model, real.store, tpp);
    }
  }
}
