import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { followStream, type StreamedEvent } from '../support/event-stream.ts';
import { startPostgres } from '../support/postgres-server.ts';
import { startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { startWebhooks } from '../support/webhooks.ts';
import { operatorCalls } from './calling.ts';

// Three instances of the real service on one PostgreSQL: whichever is asked tells of all of them.

const server = await startPostgres({ isDurable: false });
const hooks = await startWebhooks();
const bank = await startBank({
  clients: ['tpp-push', 'tpp-poll'],
  settings: {
    store: { file: undefined, url: await server.createDatabase(), isMigratedAtStart: true },
    // So that no test waits for it.
    statistics: { writeMs: 100 },
    notify: {
      ...{ evaluateMs: 100, failingAfterMs: 0 },
      webhooks: [
        {
          ...{ name: 'on-call', url: `${hooks.origin}/on-call`, secretFile: 'secret', caFile: 'hooks.pem' },
          kinds: ['tpp-failing', 'recovered'],
        },
      ],
    },
  },
  files: { secret: `whsec_${Buffer.alloc(32).toString('base64')}`, 'hooks.pem': hooks.caPem },
});
const services = [bank.service, await bank.another(), await bank.another()];
const calls = services.map((service) => operatorCalls({ ...bank, service }));
const receiver = await startReceiver(bank);
const pushed = await makeTpp(bank, 'tpp-push');
const polling = await makeTpp(bank, 'tpp-poll');
after(async () => {
  pushed.close();
  polling.close();
  await receiver.close();
  await bank.stop();
  await hooks.close();
  await server.stop();
});
await pushed.create('v4.0', 'event-subscriptions', {
  Version: '4.0',
  CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
});
await polling.create('v4.0', 'event-subscriptions', { Version: '4.0' });

const everywhere = <T>(ask: (call: (typeof calls)[number], at: number) => Promise<T>) => Promise.all(calls.map(ask));
let events = 0;

/** Publishes an event for each TPP at every instance. */
async function publishEverywhere(): Promise<void> {
  await everywhere(async (call) => {
    const batch = ['tpp-push', 'tpp-poll'].map((clientId) => {
      events += 1;
      const uri = `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${events}`;
      const resource = {
        id: `${events}`,
        type: 'domestic-payment',
        version: '4.0',
        uri,
        links: [{ version: 'v4.0', link: uri }],
      };
      const occurredAt = new Date(Date.now() - 1000).toISOString();
      return { id: `e${events}`, clientId, occurredAt, resource, events: [{ type: 'UK.OBIE.Resource-Update' }] };
    });
    assert.equal((await call('POST', '/operator/v1/events', batch)).status, 200);
  });
}

const count = (all: readonly StreamedEvent[], kind: string) => all.filter(({ event }) => event === kind).length;

test('the stream of each tells what all of them do, in one order, and can be resumed at any other', async () => {
  const readers = await Promise.all(services.map(({ operatorUrl }) => followStream(operatorUrl)));
  await publishEverywhere();
  const { sets } = await polling.poll({ maxEvents: 10 });
  await polling.poll({ maxEvents: 0, ack: Object.keys(sets), returnImmediately: true });
  for (const reader of readers) {
    await reader.until((all) => count(all, 'acknowledged') === 6, 'all acknowledgements have come');
    assert.deepEqual([count(reader.events, 'accepted'), count(reader.events, 'missed')], [6, 0]);
  }
  const [first, second, third] = readers.map((reader) => reader.events);
  assert.ok(first && second && third);
  assert.deepEqual(second, first);
  assert.deepEqual(third, first);
  await Promise.all(readers.map((reader) => reader.close()));
  for (const [at, { id }] of first.entries()) {
    const { operatorUrl } = services[at % 3] ?? assert.fail();
    const resumed = await followStream(operatorUrl, '', id);
    await resumed.until((all) => all.length >= first.length - at - 1, 'the rest has come');
    assert.deepEqual(resumed.events, first.slice(at + 1), `after ${id}`);
    await resumed.close();
  }
});

test('the statistics of each count what all of them did', async () => {
  const before = (await everywhere((call) => call('GET', '/operator/v1/statistics'))).map(
    ({ body }) => body.totals.accepted,
  );
  await publishEverywhere();
  const most = Math.max(...before);
  await until(async () => {
    const answers = await everywhere((call) => call('GET', '/operator/v1/statistics?clientId=tpp-push'));
    return answers.every(({ body }) => body.totals.accepted === 6 && body.totals.acknowledged.push === 6);
  }, 'every instance counts all of it');
  const all = await everywhere((call) => call('GET', '/operator/v1/statistics?resolution=minute'));
  for (const { body } of all) {
    assert.equal(body.totals.accepted, 12);
    assert.equal(body.totals.attempts.acknowledged, 6);
    assert.ok(body.totals.latencyMs.p50 > 0 && body.totals.latencyMs.p99 < 60_000);
  }
  assert.ok(most <= 6);
});

test('the audit of each holds what was changed at any of them', async () => {
  for (const [at, call] of calls.entries()) {
    await call('POST', `/operator/v1/tpps/tpp-poll/${at % 2 === 0 ? 'suspend' : 'resume'}`);
  }
  const pages = await everywhere((call) => call('GET', '/operator/v1/audit?limit=3'));
  for (const { body } of pages) {
    const actions = body.entries.map(({ action }: { action: string }) => action);
    assert.deepEqual(actions, ['tpp-suspended', 'tpp-resumed', 'tpp-suspended']);
  }
});

test('the last outcomes of a callback URL are those of all instances, whichever is asked', async () => {
  await publishEverywhere();
  const outcomes = () =>
    everywhere(async (call) => (await call('GET', '/operator/v1/callback-urls/tpp-push')).body.lastOutcomes);
  const instances = (all: { instance: string }[]) => new Set(all.map(({ instance }) => instance)).size;
  const isTheSame = async () => {
    const [first, ...others] = (await outcomes()).map((all) => JSON.stringify(all));
    return others.every((other) => other === first);
  };
  await until(async () => (await outcomes()).every((all) => instances(all) === 3), 'each knows of the others');
  await until(isTheSame, 'all know the same');
});

test('a TPP that fails is failing at every instance, with the same facts and one alert, and healthy at every instance', async () => {
  const PATH = '/operator/v1/tpps/tpp-push';
  const targets = () => everywhere(async (call) => (await call('GET', PATH)).body.target);
  receiver.status = 500;
  const retry = { retriesMax: 50, delayMs: 100, delayMaxMs: 100 };
  const [first] = calls;
  assert.ok(first);
  const { organisationId, softwareStatementId, jwks, certificateSubject } = (await first('GET', PATH)).body;
  const facts = { organisationId, softwareStatementId, jwks, certificateSubject };
  assert.equal((await first('PUT', PATH, { ...facts, retry })).status, 204);
  await bank.publish('tpp-push');
  await until(async () => (await targets()).every(({ state }) => state === 'failing'), 'it is failing everywhere');
  const since = (await targets()).map(({ failingSince, lastFailure }) => [failingSince, lastFailure.status]);
  assert.deepEqual(since, [since[0], since[0], since[0]]);
  const alerts = () => hooks.at('/on-call').map(({ body }) => JSON.parse(body).type);
  await until(() => alerts().length > 0, 'somebody is told');
  receiver.status = 202;
  await until(async () => (await targets()).every(({ state }) => state === 'healthy'), 'it is healthy everywhere');
  await until(() => alerts().includes('recovered'), 'its end is told');
  assert.deepEqual(alerts(), ['tpp-failing', 'recovered'], 'by one of the three instances');
  assert.equal((await first('PUT', PATH, facts)).status, 204);
});
