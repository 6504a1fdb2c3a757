import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';
import { cliOf, loggedOf, operatorCalls, printed } from './calling.ts';

// Redelivery by the operator, over the API and the command line, of a real service with a real receiver.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b'], settings: { operator: { redeliveredPerSecondMax: 200 } } });
const call = operatorCalls(bank);
const cli = cliOf(bank);
const pushed = await makeTpp(bank, 'tpp-a');
const polling = await makeTpp(bank, 'tpp-b');
let receiver: Receiver;

before(async () => {
  receiver = await startReceiver(bank);
  await pushed.create('v4.0', 'event-subscriptions', {
    Version: '4.0',
    CallbackUrl: `${receiver.origin}/v4.0/event-notifications`,
  });
  await polling.create('v4.0', 'event-subscriptions', { Version: '4.0' });
});
after(async () => {
  pushed.close();
  polling.close();
  await receiver.close();
  await bank.stop();
});

const REDELIVERIES = '/operator/v1/redeliveries';
const redeliver = (body: unknown) => call('POST', REDELIVERIES, body);
const stateOf = async (jti: string) => (await bank.notification(jti))['state'];
const sentFor = (jti: string) => receiver.received.filter(({ body }) => jtiOf(body) === jti);
const jtiOf = (set: string): unknown => JSON.parse(Buffer.from(set.split('.')[1] ?? '', 'base64url').toString()).jti;

async function published(clientId = 'tpp-a'): Promise<string> {
  const jti = await bank.publish(clientId);
  assert.ok(jti !== undefined);
  return jti;
}

async function acknowledged(): Promise<string> {
  const jti = await published();
  await until(async () => (await stateOf(jti)) === 'acknowledged', 'it is acknowledged');
  return jti;
}

describe('redelivery', () => {
  test('of an acknowledged notification sends the very same SET again, once', async () => {
    const jti = await acknowledged();
    const { status, body } = await redeliver({ jtis: [jti] });
    assert.equal(status, 200);
    assert.equal(body.count, 1);
    assert.ok(Date.parse(body.lastDueAt) <= Date.now() + 1000);
    await until(() => sentFor(jti).length === 2, 'it is sent again');
    await until(async () => (await stateOf(jti)) === 'acknowledged', 'it is acknowledged again');
    const [first, second] = sentFor(jti);
    assert.equal(first?.body, second?.body);
    const { attempts } = await bank.notification(jti);
    assert.equal((attempts as unknown[]).length, 2);
  });

  test('as a dry run counts, changes nothing and leaves no trace in the audit', async () => {
    const jti = await acknowledged();
    const before = (await call('GET', '/operator/v1/audit')).body.entries.length;
    const { body } = await redeliver({ jtis: [jti], isDryRun: true });
    assert.deepEqual([body.count, body.isDryRun], [1, true]);
    assert.equal(await stateOf(jti), 'acknowledged');
    assert.equal(sentFor(jti).length, 1);
    assert.equal((await call('GET', '/operator/v1/audit')).body.entries.length, before);
  });

  test('by what is awaiting leaves alone what was acknowledged, and by failed what nothing went wrong with', async () => {
    const done = await acknowledged();
    const [one, two] = [await published('tpp-b'), await published('tpp-b')];
    await polling.poll({ maxEvents: 0, setErrs: { [two]: { err: 'jws', description: 'no' } } });
    const counts = async (clientId: string, only: string) =>
      (await redeliver({ clientId, only, isDryRun: true })).body.count;
    assert.equal(await counts('tpp-a', 'awaiting'), 0);
    assert.equal(await counts('tpp-b', 'awaiting'), 2);
    assert.equal(await counts('tpp-b', 'failed'), 1);
    await polling.poll({ maxEvents: 0, ack: [one, two] });
    assert.equal(await stateOf(done), 'acknowledged');
  });

  test('makes what a TPP acknowledged in a poll available to its next poll', async () => {
    const jti = await published('tpp-b');
    await polling.poll({ ack: Object.keys((await polling.poll()).sets) });
    assert.deepEqual((await polling.poll()).sets, {});
    assert.equal((await redeliver({ jtis: [jti] })).body.count, 1);
    assert.deepEqual(Object.keys((await polling.poll()).sets), [jti]);
    await polling.poll({ maxEvents: 0, ack: [jti] });
  });

  test('of a time takes those that were published in it, and spaces them by the rate', async () => {
    const early = await acknowledged();
    await until(() => Date.now() % 10 === 0, 'a moment passes');
    const from = new Date(Date.parse(String((await bank.notification(early))['publishedAt'])) + 1).toISOString();
    const jtis = [await acknowledged(), await acknowledged(), await acknowledged()];
    const beganMs = Date.now();
    const { body } = await redeliver({ publishedFrom: from, clientId: 'tpp-a', ratePerSecond: 20 });
    assert.equal(body.count, 3);
    const lastAfterMs = Date.parse(body.lastDueAt) - beganMs;
    assert.ok(lastAfterMs >= 100, `the third is due 2 x 50 ms later, and not after ${lastAfterMs} ms`);
    await until(() => jtis.every((jti) => sentFor(jti).length === 2), 'all are sent again');
    assert.equal(sentFor(early).length, 1);
    const attemptsOf = async (jti: string) => (await bank.notification(jti))['attempts'] as Attempt[];
    await until(async () => (await Promise.all(jtis.map(attemptsOf))).every(({ length }) => length === 2), 'recorded');
    const attempts = await Promise.all(jtis.map(attemptsOf));
    const last = Date.parse(attempts[2]?.at(-1)?.startedAt ?? '');
    assert.ok(last >= Date.parse(body.lastDueAt), 'the last is not sent before it is due');
    assert.equal((await redeliver({ publishedBefore: from, clientId: 'tpp-b', isDryRun: true })).body.count > 0, true);
  });

  test('never means what was withdrawn', async () => {
    const jti = await published('tpp-b');
    const [registration] = await polling.list('v4.0', 'event-subscriptions');
    await polling.remove('v4.0', 'event-subscriptions', String(registration?.['EventSubscriptionId']));
    assert.equal(await stateOf(jti), 'withdrawn');
    assert.equal((await redeliver({ jtis: [jti] })).body.count, 0);
    assert.equal(await stateOf(jti), 'withdrawn');
    await polling.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  });

  test('that names no rate goes by 50 a second', async () => {
    const { body } = await redeliver({ clientId: 'tpp-c', isDryRun: true });
    assert.equal(body.ratePerSecond, 50);
  });

  test('is kept in the audit with who, what and how many', async () => {
    const jti = await acknowledged();
    await redeliver({ jtis: [jti], ratePerSecond: 7 });
    const { entries } = (await call('GET', '/operator/v1/audit?limit=1')).body;
    const [{ id, at, ...entry }] = entries;
    assert.ok(id.length > 0 && Math.abs(Date.parse(at) - Date.now()) < 60_000);
    assert.deepEqual(entry, {
      ...{ actor: 'tests', role: 'administrator', authenticatedBy: 'token', from: '127.0.0.1' },
      ...{ action: 'redeliver', subject: jti },
      detail: { jtis: [jti], ratePerSecond: 7, count: 1 },
    });
  });

  test('is logged with who, what and how many, and whether it was a dry run', async () => {
    const jti = await acknowledged();
    for (const isDryRun of [true, false]) await redeliver({ jtis: [jti], ratePerSecond: 7, isDryRun });
    const told = loggedOf(bank, 'redelivered').filter(({ jtis }) => String(jtis) === jti);
    const line = { operator: 'tests', jtis: [jti], ratePerSecond: 7, count: 1 };
    for (const [at, isDryRun] of [true, false].entries())
      assert.partialDeepStrictEqual(told[at], { ...line, isDryRun });
    assert.equal(told.length, 2);
  });

  for (const [what, body, field] of [
    ['without saying which ones', { only: 'failed' }, undefined],
    ['with no jti', { jtis: [] }, 'jtis'],
    ['with 1001 jtis', { jtis: Array.from({ length: 1001 }, String) }, 'jtis'],
    ['with a time that is none', { publishedFrom: 'yesterday' }, 'publishedFrom'],
    ['with a time without zone', { publishedBefore: '2026-01-02T03:04:05' }, 'publishedBefore'],
    [
      'with a time that ends before it begins',
      { publishedFrom: '2026-01-02T00:00:00Z', publishedBefore: '2026-01-02T00:00:00Z' },
      'publishedBefore',
    ],
    ['with a rate of none', { clientId: 'tpp-a', ratePerSecond: 0 }, 'ratePerSecond'],
    ['with a rate above the configured one', { clientId: 'tpp-a', ratePerSecond: 201 }, 'ratePerSecond'],
    ['with a place that is none', { clientId: 'tpp-a', after: 'WyJ4Il0' }, 'after'],
    ['with a field that is none', { client: 'tpp-a' }, 'client'],
  ] as const) {
    test(`${what} answers 400${field === undefined ? '' : ` that names ${field}`}`, async () => {
      const answer = await redeliver(body);
      assert.equal(answer.status, 400);
      assert.equal(answer.body.field, field);
    });
  }
});

interface Attempt {
  readonly startedAt: string;
}

describe('tidings redeliver', () => {
  test('sends one notification again and says so', async () => {
    const jti = await acknowledged();
    const dry = printed(await cli('redeliver', jti, '--dry-run'));
    assert.match(
      dry,
      /^1 notification is selected for redelivery \(dry run, nothing was changed\); last one due at .*Z \(.*\)\.\n$/,
    );
    assert.equal(sentFor(jti).length, 1);
    assert.match(
      printed(await cli('redeliver', jti)),
      /^1 notification is scheduled for redelivery; last one due at .*Z \(.*\)\.\n$/,
    );
    await until(() => sentFor(jti).length === 2, 'it is sent again');
  });

  test('takes a TPP, a time and a rate, and prints JSON', async () => {
    const jti = await published('tpp-b');
    const from = String((await bank.notification(jti))['publishedAt']);
    const flags = ['--client', 'tpp-b', '--from', from, '--only', 'awaiting', '--rate', '10', '--json'];
    const { lastDueAt, ...rest } = JSON.parse(printed(await cli('redeliver', ...flags)));
    assert.deepEqual(rest, { count: 1, isDryRun: false, heldBack: [] });
    assert.ok(Date.parse(lastDueAt) > 0);
    assert.deepEqual(JSON.parse(printed(await cli('redeliver', '--from', '2100-01-01T00:00:00Z', '--json'))).count, 0);
  });

  test('that does not say which ones, or how it should not, ends with 2', async () => {
    for (const args of [[], ['--only', 'failed'], ['x', '--only', 'all'], ['x', '--rate', '0']]) {
      const { code, stderr } = await cli('redeliver', ...args);
      assert.equal(code, 2, stderr);
    }
  });

  test('that names a rate above the limit of the service ends with 2, with the limit', async () => {
    const { code, stderr } = await cli('redeliver', '--client', 'tpp-b', '--rate', '900');
    assert.equal(code, 2);
    assert.match(stderr, /--rate must be at most 200/);
  });
});
