import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AlertCondition, AlertKind, MessageKind } from '../../src/model/alert.ts';
import type { AlertReport, ClaimedAlertMessage } from '../../src/store/alerts.ts';
import type { Store } from '../../src/store/store.ts';
import { START_MS } from '../support/fake-clock.ts';
import type { OpenFor } from './opened.ts';

const EVERYTHING = { name: 'all', kinds: ['tpp-failing', 'tpp-unresponsive', 'cannot-sign', 'recovered'] } as const;
const RAISED_ONLY = { name: 'raised', kinds: ['tpp-failing'] } as const;
const TPP_KINDS: readonly AlertKind[] = ['tpp-failing', 'tpp-unresponsive'];
const HOUR_MS = 3_600_000;

function condition(clientId: string, changes: Partial<AlertCondition> = {}): AlertCondition {
  const subject = { key: `tpp ${clientId}`, kind: 'tpp-failing' as const, subject: clientId };
  return { ...subject, sinceMs: START_MS, why: '503', facts: { awaiting: 1 }, ...changes };
}

const unresponsive = (clientId: string) => condition(clientId, { kind: 'tpp-unresponsive' });
const cannotSign = (instance: string) =>
  condition(instance, { key: `cannot-sign ${instance}`, kind: 'cannot-sign', sinceMs: undefined });

function report(store: Store, conditions: readonly AlertCondition[], afterMs = 0, changes: Partial<AlertReport> = {}) {
  const all = { conditions, examined: TPP_KINDS, unseenSinceMs: undefined, destinations: [EVERYTHING] };
  return store.reportAlerts({ ...all, ...changes }, START_MS + afterMs);
}

/** Claims with a lease of a minute. */
async function claim(store: Store, destination = 'all', afterMs = 0, sendingsMax = 100) {
  const nowMs = START_MS + afterMs;
  const limits = { leaseUntilMs: nowMs + 60_000, limit: 100, countedFromMs: nowMs - HOUR_MS, sendingsMax };
  return store.claimAlertMessages({ destination, nowMs, ...limits });
}

const told = (messages: readonly ClaimedAlertMessage[]) =>
  messages.map(({ alert, kind }) => `${alert.subject} ${kind}`);

async function send(store: Store, messages: readonly ClaimedAlertMessage[], afterMs = 0, destination = 'all') {
  const outcome = { kind: 'sent', sendingId: `sending-${afterMs}`, atMs: START_MS + afterMs } as const;
  const keys = messages.map(({ alert, kind }) => ({ alertId: alert.id, kind }));
  await store.recordAlertSending({ destination, messages: keys, outcome });
}

/** Subject, kind and whether it is open, those raised last first. */
async function listed(store: Store, isOpen?: boolean) {
  const alerts = await store.alerts({ isOpen, before: undefined, limit: 100 });
  return alerts.map(
    ({ subject, kind, clearedAtMs }) => `${subject} ${kind}${clearedAtMs === undefined ? '' : ' over'}`,
  );
}

/** Alerts, and the messages about them. */
export function describeAlerts(open: OpenFor): void {
  describe('alerts', () => {
    test('are raised once while their condition holds, and make one message for each destination that wants it', async (t) => {
      const { store, reopen } = await open(t);
      const destinations = [EVERYTHING, RAISED_ONLY];
      await report(store, [condition('a'), condition('b')], 0, { destinations });
      await report(store, [condition('a', { why: '500' }), condition('b')], 10, { destinations });
      assert.deepEqual(told((await claim(store)).messages), ['a tpp-failing', 'b tpp-failing']);
      assert.deepEqual(told((await claim(store)).messages), [], 'they are leased');
      assert.deepEqual(told((await claim(store, 'raised')).messages), ['a tpp-failing', 'b tpp-failing']);
      const [, a] = await (await reopen()).alerts({ isOpen: true, before: undefined, limit: 10 });
      assert.deepEqual(a?.facts, { awaiting: 1 });
      assert.deepEqual([a?.why, a?.sinceMs, a?.raisedAtMs, a?.seenAtMs], ['500', START_MS, START_MS, START_MS + 10]);
    });

    test('that still hold are seen at least every 20 seconds, and written no more often unless they change', async (t) => {
      const { store } = await open(t);
      const seenAfterMs = async (afterMs: number) => {
        await report(store, [condition('a')], afterMs);
        const [alert] = await store.alerts({ isOpen: true, before: undefined, limit: 1 });
        return (alert?.seenAtMs ?? 0) - START_MS;
      };
      assert.deepEqual([await seenAfterMs(0), await seenAfterMs(19_999), await seenAfterMs(20_000)], [0, 0, 20_000]);
    });

    test('that were sent are not sent again after a restart, and what was not sent is', async (t) => {
      const { store, reopen } = await open(t);
      await report(store, [condition('a'), condition('b')]);
      const [first] = (await claim(store)).messages;
      await send(store, first === undefined ? [] : [first]);
      const reopened = await reopen();
      await report(reopened, [condition('a'), condition('b')], 61_000);
      assert.deepEqual(told((await claim(reopened, 'all', 61_000)).messages), ['b tpp-failing']);
    });

    test('keep when they were first found, where the condition does not say since when it holds', async (t) => {
      const { store } = await open(t);
      for (const afterMs of [0, 1000]) await report(store, [cannotSign('one')], afterMs);
      const [alert] = await store.alerts({ isOpen: true, before: undefined, limit: 10 });
      assert.equal(alert?.sinceMs, START_MS);
    });

    test('end when their condition is not found any more, and whoever was told of them is told of that', async (t) => {
      const { store } = await open(t);
      const destinations = [EVERYTHING, RAISED_ONLY];
      await report(store, [condition('a')], 0, { destinations });
      await send(store, (await claim(store)).messages);
      await report(store, [], 1000, { destinations });
      assert.deepEqual(await listed(store), ['a tpp-failing over']);
      assert.deepEqual(told((await claim(store, 'all', 1000)).messages), ['a recovered']);
      assert.deepEqual(told((await claim(store, 'raised', 1000)).messages), ['a tpp-failing'], 'it was not told yet');
    });

    test('that are over before they were sent make one message, at their end', async (t) => {
      const { store } = await open(t);
      await report(store, [condition('a')]);
      await report(store, [], 1000);
      assert.deepEqual(told((await claim(store, 'all', 1000)).messages), ['a recovered']);
    });

    test('that come again are other ones', async (t) => {
      const { store } = await open(t);
      for (const conditions of [[condition('a')], [], [condition('a')]]) await report(store, conditions);
      assert.deepEqual(await listed(store), ['a tpp-failing', 'a tpp-failing over']);
      assert.deepEqual(await listed(store, true), ['a tpp-failing']);
      assert.deepEqual(await listed(store, false), ['a tpp-failing over']);
    });

    test('that get worse stay one, with a message about that, and one when they are over', async (t) => {
      const { store } = await open(t);
      await report(store, [condition('a')]);
      await send(store, (await claim(store)).messages);
      await report(store, [unresponsive('a')], 1000);
      assert.deepEqual(await listed(store), ['a tpp-unresponsive']);
      const worse = (await claim(store, 'all', 1000)).messages;
      assert.deepEqual(told(worse), ['a tpp-unresponsive']);
      await send(store, worse, 1000);
      await report(store, [condition('a')], 2000);
      assert.deepEqual(told((await claim(store, 'all', 2000)).messages), [], 'nobody is told the same twice');
      await report(store, [], 3000);
      assert.deepEqual(told((await claim(store, 'all', 3000)).messages), ['a recovered']);
    });

    test('of other instances are left alone, until nobody has found them for a time', async (t) => {
      const { store } = await open(t);
      await report(store, [cannotSign('one')], 0, { examined: [] });
      await report(store, [], 1000, { unseenSinceMs: START_MS });
      assert.deepEqual(await listed(store), ['one cannot-sign']);
      await report(store, [], 2000, { unseenSinceMs: START_MS + 1 });
      assert.deepEqual(await listed(store), ['one cannot-sign over']);
    });

    test('are sent again when they are due again, unless that is never', async (t) => {
      const { store } = await open(t);
      await report(store, [condition('a')]);
      const failing = async (afterMs: number, dueAtMs: number | undefined) => {
        const { messages } = await claim(store, 'all', afterMs);
        for (const { alert, kind } of messages) {
          const outcome = { kind: 'failed', error: '503', dueAtMs } as const;
          await store.recordAlertSending({ destination: 'all', messages: [{ alertId: alert.id, kind }], outcome });
        }
        return messages.map(({ attempts }) => attempts);
      };
      assert.deepEqual(await failing(0, START_MS + 100), [0]);
      assert.deepEqual(await failing(99, undefined), []);
      assert.deepEqual([...(await store.unsentAlertMessages())], [['all', 1]]);
      assert.deepEqual(await failing(100, undefined), [1]);
      assert.deepEqual(await failing(1_000_000, undefined), []);
      assert.deepEqual([...(await store.unsentAlertMessages())], []);
      const [alert] = await store.alerts({ isOpen: true, before: undefined, limit: 10 });
      const expected = { destination: 'all', kind: 'tpp-failing', attempts: 2, sentAtMs: undefined, error: '503' };
      assert.deepEqual(alert?.messages, [expected]);
    });

    test('are not sent beyond the number of sendings in a period', async (t) => {
      const { store } = await open(t);
      const conditions = ['a', 'b', 'c'].map((clientId) => condition(clientId));
      await report(store, conditions);
      const { messages, sendingsLeft } = await claim(store, 'all', 0, 2);
      assert.equal(sendingsLeft, 2);
      for (const [at, message] of messages.slice(0, 2).entries()) await send(store, [message], at);
      const empty = { messages: [], sendingsLeft: 0 };
      assert.deepEqual(await claim(store, 'all', 120_000, 2), empty);
      assert.deepEqual(told((await claim(store, 'all', HOUR_MS + 1, 2)).messages), ['c tpp-failing']);
    });

    test('are listed page by page, and dropped by age with their messages', async (t) => {
      const { store } = await open(t);
      await report(store, [condition('a'), condition('b')]);
      await report(store, [condition('b')], 1000);
      const [b] = await store.alerts({ isOpen: undefined, before: undefined, limit: 1 });
      assert.equal(b?.subject, 'b');
      const [a] = await store.alerts({ isOpen: undefined, before: b?.id, limit: 1 });
      assert.equal(a?.subject, 'a');
      assert.equal(await store.dropAlerts(START_MS + 1000, 10), 0);
      assert.equal(await store.dropAlerts(START_MS + 1001, 10), 1);
      assert.deepEqual(await listed(store), ['b tpp-failing']);
      assert.deepEqual([...(await store.unsentAlertMessages())], [['all', 1]]);
    });

    test('are examined for all by one holder at a time, until it does not renew that', async (t) => {
      const { store } = await open(t);
      const lease = (holder: string, afterMs: number) =>
        store.leaseAlerts(holder, START_MS + afterMs, START_MS + afterMs + 100);
      assert.deepEqual([await lease('one', 0), await lease('two', 50), await lease('one', 60)], [true, false, true]);
      assert.deepEqual(
        [await lease('two', 159), await lease('two', 160), await lease('one', 170)],
        [false, true, false],
      );
    });

    test('hold any text, and kinds that a destination does not want make no message', async (t) => {
      const { store } = await open(t);
      const odd = 'a\u0000b\u2028"\'😀';
      const kinds: readonly MessageKind[] = ['cannot-sign'];
      await report(store, [condition('a', { why: odd, facts: { odd } })], 0, {
        destinations: [{ name: 'keys', kinds }],
      });
      assert.deepEqual(await listed(store), ['a tpp-failing']);
      assert.deepEqual((await claim(store, 'keys')).messages, []);
    });
  });
}
