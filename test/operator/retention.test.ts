import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { until } from '@tidings/testing';
import { startReceiver } from '../support/receiver.ts';
import { withBank } from '../support/with-bank.ts';
import { operatorCalls } from './calling.ts';

// What a real service drops by age, and the retry policy of one TPP, in real stores.

const MINUTE_MS = 60_000;
const SWEPT = { notificationsMs: MINUTE_MS, eventsMs: MINUTE_MS, sweepMs: 100 };

describe('retention', () => {
  test('drops what was acknowledged long ago, frees its event id, and leaves alone what is awaiting', () =>
    withBank({ settings: { retention: SWEPT } }, async (tpp, bank) => {
      const call = operatorCalls(bank);
      await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      const done = await bank.publish('tpp-a', { id: 'event-done' });
      const awaiting = await bank.publish('tpp-a', { id: 'event-awaiting' });
      assert.ok(done !== undefined && awaiting !== undefined);
      await tpp.poll({ ack: [done] });
      bank.clock.aheadMs += 2 * MINUTE_MS;
      const statusOf = async (jti: string) => (await call('GET', `/operator/v1/notifications/${jti}`)).status;
      await until(async () => (await statusOf(done)) === 404, 'it is dropped');
      assert.equal(await statusOf(awaiting), 200);
      // Other content under an id that is known is refused.
      const isKnown = (id: string) =>
        bank.publish('tpp-a', { id }).then(
          () => false,
          () => true,
        );
      await until(async () => !(await isKnown('event-done')), 'its id may be published again');
      assert.equal(await isKnown('event-awaiting'), true);
      await until(() => /"dropped":[1-9]\d*,"msg":"swept"/.test(bank.log()), 'the log tells of it');
    }));

  test('expires what is awaiting only after the age that is set, tells the audit, and offers it no more', () =>
    withBank(
      { settings: { retention: { ...SWEPT, notificationsMs: 60 * MINUTE_MS, awaitingMs: 10 * MINUTE_MS } } },
      async (tpp, bank) => {
        const call = operatorCalls(bank);
        await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
        const jti = await bank.publish('tpp-a');
        assert.ok(jti !== undefined);
        bank.clock.aheadMs += 9 * MINUTE_MS;
        assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
        bank.clock.aheadMs += 2 * MINUTE_MS;
        const shown = async () => (await call('GET', `/operator/v1/notifications/${jti}`)).body;
        await until(async () => (await shown()).state === 'expired', 'it expires');
        assert.equal((await shown()).nextAttemptAt, undefined);
        assert.deepEqual((await tpp.poll()).sets, {});
        const [entry] = (await call('GET', '/operator/v1/audit?limit=1')).body.entries;
        assert.deepEqual([entry.actor, entry.action, entry.detail.count], ['tidings', 'expire', 1]);
        assert.equal((await call('POST', '/operator/v1/redeliveries', { jtis: [jti] })).body.count, 0);
        assert.equal((await call('GET', '/operator/v1/status')).body.awaiting, 0);
      },
    ));

  test('ends with the service, whatever it has to do', async () => {
    await withBank({ settings: { retention: { ...SWEPT, sweepMs: 100 } } }, async (_tpp, bank) => {
      await bank.service.stop();
      assert.equal(bank.clock.timers(), 0);
    });
  });
});

test('a TPP with its own retriesMax is unresponsive after as many, and others after the configured ones', () =>
  withBank({ clients: ['tpp-a', 'tpp-b'] }, async (tpp, bank) => {
    const call = operatorCalls(bank);
    const receiver = await startReceiver(bank, 500);
    try {
      const { body } = await call('GET', '/operator/v1/tpps/tpp-a');
      const { organisationId, softwareStatementId, jwks, certificateSubject, scopes } = body;
      const facts = { organisationId, softwareStatementId, jwks, certificateSubject, scopes };
      const { status } = await call('PUT', '/operator/v1/tpps/tpp-a', { ...facts, retry: { retriesMax: 0 } });
      assert.equal(status, 204);
      await tpp.create('v4.0', 'event-subscriptions', {
        Version: '4.0',
        CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
      });
      const jti = await bank.publish('tpp-a');
      const state = async () => (await call('GET', '/operator/v1/tpps/tpp-a')).body.target.state;
      await until(async () => (await state()) === 'unresponsive', 'it is unresponsive');
      assert.equal(((await bank.notification(jti ?? ''))['attempts'] as unknown[]).length, 1);
    } finally {
      await receiver.close();
    }
  }));
