import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';
import { cliOf, loggedOf, operatorCalls, printed } from './calling.ts';

// Looking for notifications and withdrawing them, over the API and the command line, of a real service.

const bank = await startBank({ clients: ['tpp-a', 'tpp-b'] });
const call = operatorCalls(bank);
const cli = cliOf(bank);
const parties = [await makeTpp(bank, 'tpp-a'), await makeTpp(bank, 'tpp-b')] as const;
const jtis: string[] = [];

before(async () => {
  for (const party of parties) await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  for (const clientId of ['tpp-a', 'tpp-a', 'tpp-b', 'tpp-a']) jtis.push(String(await bank.publish(clientId)));
  await parties[0].poll({ maxEvents: 0, ack: [jtis[0] ?? ''] });
});
after(async () => {
  for (const party of parties) party.close();
  await bank.stop();
});

const find = async (query: Readonly<Record<string, string>>) =>
  call('GET', `/operator/v1/notifications?${new URLSearchParams(query)}`);
const jtisFound = async (query: Readonly<Record<string, string>>): Promise<string[]> =>
  (await find(query)).body.notifications.map(({ jti }: { jti: string }) => jti);
const one = async (jti: string | undefined) => (await call('GET', `/operator/v1/notifications/${jti}`)).body;
const newest = (...at: readonly number[]) => at.map((place) => jtis[place] ?? '');

describe('looking for notifications', () => {
  test('finds all there are, the newest first, page by page', async () => {
    const first = (await find({ limit: '3' })).body;
    const { next, notifications } = first;
    assert.equal(notifications.length, 3);
    assert.deepEqual(
      [...notifications.map(({ jti }: { jti: string }) => jti), ...(await jtisFound({ limit: '3', after: next }))],
      newest(3, 2, 1, 0),
    );
  });

  test('finds by everything that is known of one, together or alone', async () => {
    const { transactionId, eventId, claims } = await one(jtis[0]);
    const [{ subject }] = Object.values<{ subject: Record<string, string> }>(claims.events) as [{ subject: never }];
    const resourceId = subject['http://openbanking.org.uk/rid'];
    const about = { jti: jtis[0] ?? '', eventId, transactionId, resourceId, clientId: 'tpp-a', state: 'acknowledged' };
    const [urn = ''] = Object.keys(claims.events);
    const times = { publishedFrom: '2020-01-01T00:00:00Z', publishedBefore: '2120-01-01T00:00:00Z' };
    for (const [name, value] of Object.entries({ ...about, ...times, eventType: urn })) {
      assert.ok((await jtisFound({ [name]: value })).includes(jtis[0] ?? ''), name);
    }
    assert.deepEqual(await jtisFound({ ...about, ...times, eventType: urn }), newest(0));
    assert.deepEqual(await jtisFound({ ...about, state: 'awaiting' }), []);
    assert.deepEqual(await jtisFound({ ...about, publishedFrom: times.publishedBefore }), []);
  });

  test('takes an event type by its subscribe code, and the state of what failed', async () => {
    assert.deepEqual(await jtisFound({ eventType: 'UK.OBIE.Resource-Update' }), newest(3, 2, 1, 0));
    assert.deepEqual(await jtisFound({ eventType: 'UK.OBIE.Consent-Authorization-Revoked' }), []);
    assert.deepEqual(await jtisFound({ state: 'failed' }), []);
    await parties[1].poll({ maxEvents: 0, setErrs: { [jtis[2] ?? '']: { err: 'jws', description: 'no' } } });
    assert.deepEqual(await jtisFound({ state: 'failed' }), newest(2));
  });

  for (const [what, query, field] of [
    ['a parameter that is none', { client: 'tpp-a' }, 'client'],
    ['a state that is none', { state: 'lost' }, 'state'],
    ['a time without zone', { publishedFrom: '2026-01-02T03:04:05x' }, 'publishedFrom'],
    ['a place that is none', { after: 'there' }, 'after'],
    ['too much on a page', { limit: '201' }, 'limit'],
    ['an id that is empty', { resourceId: '' }, 'resourceId'],
  ] as const) {
    test(`by ${what} answers 400 that names it`, async () => {
      const { status, body } = await find(query);
      assert.deepEqual([status, body.field], [400, field]);
    });
  }

  test('shows of one its SET decoded, once it is signed', async () => {
    // At the latest when it is offered.
    const { sets } = await parties[0].poll();
    for (const jti of jtis) {
      const { header, set } = await one(jti);
      assert.equal(header === undefined, set === undefined);
    }
    const { header, claims, set, transactionId } = await one(jtis[3]);
    assert.ok(set !== undefined && set === sets[jtis[3] ?? '']);
    assert.deepEqual(header, JSON.parse(Buffer.from(set.split('.')[0], 'base64url').toString()));
    assert.equal(transactionId, claims.txn);
  });
});

describe('tidings notifications', () => {
  test('lists what it finds as a table, or as the API answers it', async () => {
    const table = printed(await cli('notifications', 'find', '--client', 'tpp-a', '--state', 'acknowledged'));
    assert.match(table, /PUBLISHED +JTI/);
    assert.match(table, new RegExp(`${jtis[0]}.*tpp-a.*resource-update +acknowledged \\(poll\\) +0`));
    assert.equal(table.trim().split('\n').length, 2);
    const json = JSON.parse(printed(await cli('notifications', 'list', '--limit', '2', '--json')));
    assert.deepEqual(json.notifications, (await find({ limit: '2' })).body.notifications);
    assert.match(printed(await cli('notifications', 'list', '--limit', '2')), /--after \d+:\d+\n$/);
    assert.match(printed(await cli('notifications', 'find', '--event', 'unknown')), /No notification matches/);
  });

  test('shows one', async () => {
    const shown = printed(await cli('notifications', 'show', jtis[3] ?? ''));
    for (const part of ['state', 'awaiting', '"kid"', '"aud": "tpp-a"', 'SET']) assert.ok(shown.includes(part), part);
    assert.deepEqual(
      JSON.parse(printed(await cli('notifications', 'show', jtis[3] ?? '', '--json'))),
      await one(jtis[3]),
    );
  });
});

describe('withdrawal', () => {
  test('as a dry run counts; otherwise ends what is awaiting, is in the audit, and polls offer it no more', async () => {
    const jti = String(await bank.publish('tpp-b'));
    const withdraw = (isDryRun: boolean) => call('POST', '/operator/v1/withdrawals', { jtis: [jti], isDryRun });
    assert.deepEqual((await withdraw(true)).body, { count: 1, isDryRun: true });
    assert.equal((await one(jti)).state, 'awaiting');
    assert.deepEqual((await withdraw(false)).body, { count: 1, isDryRun: false });
    assert.equal((await one(jti)).state, 'withdrawn');
    assert.deepEqual((await withdraw(false)).body, { count: 0, isDryRun: false });
    assert.ok(!Object.keys((await parties[1].poll()).sets).includes(jti));
    const [{ action, actor, subject, detail }] = (await call('GET', '/operator/v1/audit?limit=1')).body.entries;
    assert.deepEqual([action, actor, subject, detail], ['withdraw', 'tests', jti, { jtis: [jti], count: 1 }]);
    const told = loggedOf(bank, 'withdrawn').filter(({ jtis }) => String(jtis) === jti);
    assert.deepEqual(
      told.map(({ operator, isDryRun, count }) => [operator, isDryRun, count]),
      [
        ['tests', true, 1],
        ['tests', false, 1],
        ['tests', false, 0],
      ],
    );
  });

  for (const [what, body, field] of [
    ['without saying which ones', { only: 'failed' }, undefined],
    ['of all that are acknowledged', { clientId: 'tpp-a', only: 'acknowledged' }, 'only'],
    ['after a place that is none', { clientId: 'tpp-a', after: 'x' }, 'after'],
    ['at a rate', { clientId: 'tpp-a', ratePerSecond: 5 }, 'ratePerSecond'],
  ] as const) {
    test(`${what} answers 400`, async () => {
      const answer = await call('POST', '/operator/v1/withdrawals', body);
      assert.deepEqual([answer.status, answer.body.field], [400, field]);
    });
  }

  test('over the command line asks for a confirmation', async () => {
    const jti = String(await bank.publish('tpp-b'));
    const refused = await cli('withdraw', jti);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /--yes/);
    assert.match(
      printed(await cli('withdraw', jti, '--dry-run')),
      /^1 notification is selected for withdrawal .*nothing was changed/,
    );
    assert.equal((await one(jti)).state, 'awaiting');
    assert.equal(printed(await cli('withdraw', jti, '--yes')), '1 notification is withdrawn.\n');
    assert.equal((await one(jti)).state, 'withdrawn');
    assert.deepEqual(JSON.parse(printed(await cli('withdraw', '--from', '2100-01-01T00:00:00Z', '--yes', '--json'))), {
      ...{ count: 0, isDryRun: false },
    });
    assert.equal((await cli('withdraw', '--yes')).code, 2);
  });
});
