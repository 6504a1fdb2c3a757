import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Store } from '../../src/store/store.ts';
import { subscriptionOf, tppOf } from '../support/bank-events.ts';
import { START_MS } from '../support/fake-clock.ts';
import {
  acknowledge,
  CEASE,
  claim,
  fail,
  jtisOf,
  listen,
  look,
  numbered,
  type OpenFor,
  publish,
  register,
  retryAt,
} from './opened.ts';

// Of many retries only the first end their waits with the change itself.
const PORTION = 2;
const RETRIES = 11;
const LONG_MS = 500_000_000;
const NOW_MS = 10_000;
const OTHER_URL = 'https://new.example/open-banking/v4.0/event-notifications';
const AUDIT = { atMs: START_MS, actor: 'ops', action: 'recover', subject: 'a', detail: {} };

const replace = (store: Store, changes: object) =>
  store.replaceRegistration(subscriptionOf('a', changes), START_MS + NOW_MS);

/** What begins a new round. Each of them is tried after a long wait of everything that is awaiting. */
const beginnings: Readonly<
  Record<string, { readonly isUnresponsive: boolean; begin(store: Store): Promise<unknown> }>
> = {
  'a TPP resumes': {
    isUnresponsive: false,
    begin: async (store) => {
      await store.putTpp({ ...tppOf('a'), isSuspended: true }, START_MS + NOW_MS);
      await store.putTpp(tppOf('a'), START_MS + NOW_MS);
    },
  },
  'another callback URL is registered': {
    isUnresponsive: false,
    begin: (store) => replace(store, { callbackUrl: OTHER_URL }),
  },
  'the same callback URL is registered': { isUnresponsive: true, begin: (store) => replace(store, {}) },
  'the operator makes a callback URL recover': {
    isUnresponsive: true,
    begin: (store) => store.recover('a', 'responsive', START_MS + NOW_MS, AUDIT),
  },
};

/** @returns the `jti`s of what waits long for its second attempt */
async function withWaits(store: Store, isUnresponsive: boolean): Promise<string[]> {
  await register(store, ['a', 'b']);
  const jtis = await publish(store, 'a', numbered('e', RETRIES));
  const claimed = await claim(store);
  for (const one of claimed) await fail(store, one, retryAt(LONG_MS));
  if (isUnresponsive) await makeUnresponsive(store);
  return jtis;
}

async function makeUnresponsive(store: Store): Promise<void> {
  await publish(store, 'a', ['last']);
  const [last] = await claim(store);
  assert.ok(last);
  assert.equal(await fail(store, last, CEASE), 'became-unresponsive');
}

/** Resolves when none of them waits any more. What is under way meanwhile does not count as waiting. */
async function untilNoneWaits(store: Store, jtis: readonly string[]): Promise<void> {
  for (;;) {
    const found = await Promise.all(jtis.map((jti) => look(store, jti)));
    if (found.every(({ nextAttemptAtMs }) => (nextAttemptAtMs ?? 0) < START_MS + LONG_MS)) return;
    await turn();
  }
}

/** What becomes of the waits of retries when a new round begins, where there are more than one transaction works on. */
export function describeEndingWaits(open: OpenFor): void {
  describe('the waits of many retries', () => {
    for (const [what, { isUnresponsive, begin }] of Object.entries(beginnings)) {
      test(`end when ${what}: of some at once, of all soon, and it is announced`, async (t) => {
        const { store } = await open(t, { portion: PORTION });
        const jtis = await withWaits(store, isUnresponsive);
        const told = listen(store);
        await begin(store);
        assert.equal((await claim(store, { afterMs: NOW_MS, limit: PORTION })).length, PORTION);
        await untilNoneWaits(store, jtis);
        assert.ok(told().offered.includes('a'), 'what waited may be claimed now');
        const left = await claim(store, { afterMs: NOW_MS });
        assert.equal(left.filter(({ jti }) => jtis.includes(jti)).length, RETRIES - PORTION);
        assert.ok(left.every(({ roundAttempts }) => roundAttempts === 0));
      });

      test(`end when ${what} and the process ends before all of them have`, async (t) => {
        const { store, reopen } = await open(t, { portion: PORTION });
        const jtis = await withWaits(store, isUnresponsive);
        await begin(store);
        const again = await reopen();
        // Whoever delivers asks for what is due.
        await claim(again, { afterMs: NOW_MS, limit: 0 });
        await untilNoneWaits(again, jtis);
        const due = jtisOf(await claim(again, { afterMs: NOW_MS })).filter((jti) => jtis.includes(jti));
        assert.deepEqual(due, jtis);
      });
    }
    describeMeanwhile(open);
  });
}

function describeMeanwhile(open: OpenFor): void {
  test('end when a callback URL recovers by an acknowledgement', async (t) => {
    const { store } = await open(t, { portion: PORTION });
    await register(store, ['a']);
    const jtis = await publish(store, 'a', numbered('e', RETRIES));
    await publish(store, 'a', ['acknowledged']);
    const claimed = await claim(store);
    for (const one of claimed.slice(0, -1)) await fail(store, one, retryAt(LONG_MS));
    await makeUnresponsive(store);
    const last = claimed.at(-1);
    assert.ok(last);
    assert.equal(await acknowledge(store, last, NOW_MS), 'recovered');
    await untilNoneWaits(store, jtis);
    const due = jtisOf(await claim(store, { afterMs: NOW_MS })).filter((jti) => jtis.includes(jti));
    assert.deepEqual(due, jtis);
  });

  test('that begin in the new round do not end with those of the rounds before', async (t) => {
    const { store } = await open(t, { portion: PORTION });
    const jtis = await withWaits(store, false);
    await replace(store, { callbackUrl: OTHER_URL });
    const [first, ...others] = await claim(store, { afterMs: NOW_MS, limit: PORTION });
    assert.ok(first);
    await fail(store, first, retryAt(LONG_MS), NOW_MS);
    const old = jtis.filter((jti) => jti !== first.jti);
    await untilNoneWaits(store, old);
    assert.equal((await look(store, first.jti)).nextAttemptAtMs, START_MS + LONG_MS);
    const taken = [first, ...others].map(({ jti }) => jti);
    const left = jtis.filter((jti) => !taken.includes(jti));
    assert.deepEqual(jtisOf(await claim(store, { afterMs: NOW_MS })), left);
  });

  test('that begin in the new life of a TPP do not end with those of the one that was removed', async (t) => {
    const { store } = await open(t, { portion: PORTION });
    const jtis = await withWaits(store, false);
    await replace(store, { callbackUrl: OTHER_URL });
    await store.removeTpp('a', START_MS + NOW_MS);
    await register(store, ['a']);
    const [fresh = ''] = await publish(store, 'a', ['fresh'], NOW_MS);
    const [claimed] = await claim(store, { afterMs: NOW_MS });
    assert.equal(claimed?.jti, fresh);
    await fail(store, claimed, retryAt(LONG_MS), NOW_MS);
    // Whatever was begun would go on with this.
    for (let times = 0; times < RETRIES; times += 1) await store.putTpp(tppOf('c'), START_MS);
    assert.deepEqual(await claim(store, { afterMs: NOW_MS }), []);
    assert.equal((await look(store, fresh)).nextAttemptAtMs, START_MS + LONG_MS);
    for (const jti of jtis) assert.equal((await look(store, jti)).state, 'withdrawn');
  });

  test('end with a second round that begins before those of the first have', async (t) => {
    const { store } = await open(t, { portion: PORTION });
    const jtis = await withWaits(store, false);
    await Promise.all([replace(store, { callbackUrl: OTHER_URL }), replace(store, {})]);
    await untilNoneWaits(store, jtis);
    assert.deepEqual(jtisOf(await claim(store, { afterMs: NOW_MS })), jtis);
  });
}
