import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventTypeCatalogue } from '@tidings/protocol';
import { until } from '@tidings/testing';
import { pino } from 'pino';
import { parseConfig } from '../../src/config/load.ts';
import { OperatorTokens } from '../../src/operator/access.ts';
import { buildOperatorApi } from '../../src/operator/server.ts';
import { type Store, StoreError } from '../../src/store/store.ts';
import { MINIMAL } from '../config/settings.ts';
import { CONNECTIONS } from '../support/connections.ts';
import { FakeClock } from '../support/fake-clock.ts';

// Whether the service says that it is ready exactly when it can accept and deliver.

function healthOf(t: { after(done: () => Promise<void>): void }) {
  const clock = new FakeClock();
  const state = { awaiting: 0, isDelivering: true, check: () => Promise.resolve(), checks: 0 };
  const store: Pick<Store, 'counts' | 'check'> = {
    counts: async () => ({ awaiting: state.awaiting }),
    check: () => {
      state.checks += 1;
      return state.check();
    },
  };
  const app = buildOperatorApi({
    ...{ store: store as Store, catalogue: new EventTypeCatalogue([]), clock, log: pino({ level: 'silent' }) },
    ...{
      tls: undefined,
      bodyBytesMax: 1000,
      ...CONNECTIONS,
      publish: () => assert.fail(),
      tokens: new OperatorTokens([]),
    },
    config: parseConfig({ ...MINIMAL, publishing: { awaitingMax: 1000, diskFreeBytesMin: 0 } }, '/'),
    isDelivering: () => state.isDelivering,
  });
  t.after(() => app.close());
  const ready = async () => {
    const { statusCode, body } = await app.inject({ url: '/readyz' });
    return [statusCode, JSON.parse(body).because];
  };
  return { app, clock, state, ready };
}

test('it is ready while it can accept and deliver, and says why it is not', async (t) => {
  const { clock, state, ready } = healthOf(t);
  const later = () => clock.advance(1000);
  assert.deepEqual(await ready(), [200, []]);
  state.isDelivering = false;
  await later();
  assert.deepEqual(await ready(), [503, ['deliveries pause']]);
  state.awaiting = 1000;
  await later();
  assert.deepEqual(await ready(), [503, ['publishing is closed', 'deliveries pause']]);
  state.check = () => Promise.reject(new StoreError('database or disk is full: /var/lib/secret'));
  await later();
  assert.deepEqual(await ready(), [503, ['the store cannot be written', 'deliveries pause']]);
  Object.assign(state, { awaiting: 0, isDelivering: true, check: () => Promise.resolve() });
  await later();
  assert.deepEqual(await ready(), [200, []]);
});

test('a store that hangs makes it not ready within two seconds', async (t) => {
  const { clock, state, ready } = healthOf(t);
  state.check = () => new Promise(() => undefined);
  const asked = ready();
  await until(() => state.checks > 0, 'the store to be asked');
  await clock.advance(2000);
  assert.deepEqual(await asked, [503, ['the store cannot be written']]);
});

test('however often it is asked, it looks once a second; that it is alive needs no look', async (t) => {
  const { app, clock, state, ready } = healthOf(t);
  for (let asked = 0; asked < 20; asked += 1) await ready();
  assert.equal(state.checks, 1);
  await clock.advance(1000);
  await ready();
  assert.equal(state.checks, 2);
  assert.equal((await app.inject({ url: '/livez' })).statusCode, 200);
  assert.equal(state.checks, 2);
});
