import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { makeSigningKey } from '@tidings/testing';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { makeTpp, registerTpp } from '../support/tpp.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// What operators changed, and the retry policy that is a TPP's own.

const bank = await startBank({ clients: ['tpp-b'] });
const call = operatorCalls(bank);
const cli = cliOf(bank);
const key = makeSigningKey('kid-1');
after(() => bank.stop());

const TPP = '/operator/v1/tpps/tpp-a';
const FACTS = { organisationId: 'org-1', softwareStatementId: 'software-1', jwks: { keys: [key.jwk] } };
const put = (retry: unknown) => call('PUT', TPP, { ...FACTS, retry });
const actions = async (query = '') =>
  (await call('GET', `/operator/v1/audit${query}`)).body.entries.map((entry: { action: string }) => entry.action);

describe('the audit', () => {
  test('holds every change to a TPP, the newest first, with what was changed', async () => {
    await registerTpp(bank, 'tpp-a', key);
    await registerTpp(bank, 'tpp-a', key, { scopes: ['accounts'] });
    for (const operation of ['suspend', 'resume']) await call('POST', `${TPP}/${operation}`);
    await call('DELETE', TPP);
    assert.deepEqual(await actions(), ['tpp-removed', 'tpp-resumed', 'tpp-suspended', 'tpp-changed', 'tpp-added']);
    const changed = (await call('GET', '/operator/v1/audit')).body.entries[3];
    assert.deepEqual([changed.actor, changed.subject], ['tests', 'tpp-a']);
    assert.deepEqual(changed.detail, { changed: ['scopes'] });
  });

  test('tells who did it, as what, how that was shown and from where, what it was and what it became', async () => {
    const { entries } = (await call('GET', '/operator/v1/audit')).body;
    for (const { actor, role, authenticatedBy, from } of entries) {
      assert.deepEqual([actor, role, authenticatedBy, from], ['tests', 'administrator', 'token', '127.0.0.1']);
    }
    const [removed, resumed, suspended, changed, added] = entries;
    assert.equal(added.before, undefined);
    assert.deepEqual(added.after.kids, ['kid-1']);
    assert.deepEqual(changed.before, added.after);
    assert.deepEqual(changed.after, { ...added.after, scopes: ['accounts'] });
    assert.deepEqual([suspended.before.isSuspended, suspended.after.isSuspended], [false, true]);
    assert.deepEqual([resumed.before, resumed.after], [suspended.after, suspended.before]);
    assert.deepEqual([removed.before, removed.after], [changed.after, undefined]);
    assert.ok(!JSON.stringify(entries).includes(String(key.jwk['n'])), 'no key, only its kid');
  });

  test('believes no header about where a call comes from', async () => {
    const authorization = `Bearer ${OPERATOR_TOKEN}`;
    const headers = { authorization, 'content-type': 'application/json', 'x-forwarded-for': '203.0.113.9' };
    const url = `${bank.service.operatorUrl}/operator/v1/tpps/tpp-forwarded`;
    assert.equal((await fetch(url, { method: 'PUT', headers, body: JSON.stringify(FACTS) })).status, 204);
    assert.equal(
      (await fetch(url, { method: 'DELETE', headers: { ...headers, forwarded: 'for=203.0.113.9' } })).status,
      204,
    );
    const { entries } = (await call('GET', '/operator/v1/audit?subject=tpp-forwarded')).body;
    assert.deepEqual(
      entries.map(({ from }: { from: string }) => from),
      ['127.0.0.1', '127.0.0.1'],
    );
  });

  test('is asked for by actor, action, subject and time', async () => {
    const { entries } = (await call('GET', '/operator/v1/audit?subject=tpp-a')).body;
    assert.equal(entries.length, 5);
    assert.deepEqual(await actions('?subject=tpp-a&action=tpp-changed'), ['tpp-changed']);
    assert.deepEqual(await actions('?actor=tidings'), []);
    assert.equal((await actions('?actor=tests')).length, 7);
    const { at } = entries[3];
    const since = await actions(`?subject=tpp-a&from=${at}`);
    const until = await actions(`?subject=tpp-a&before=${at}`);
    assert.deepEqual([...since, ...until], await actions('?subject=tpp-a'));
    assert.ok(since.includes('tpp-changed') && !until.includes('tpp-changed'));
    const text = printed(await cli('audit', '--subject', 'tpp-a', '--action', 'tpp-changed', '--from', at));
    assert.match(text, /tpp-changed/);
    assert.doesNotMatch(text, /tpp-added/);
  });

  test('holds what a TPP registers, replaces and deletes itself, with the interaction id', async () => {
    const party = await makeTpp(bank, 'tpp-b');
    const id = await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const changed = { EventSubscriptionId: id, Version: '4.0', EventTypes: ['UK.OBIE.Resource-Update'] };
    assert.equal((await party.put('v4.0', 'event-subscriptions', id, changed)).status, 200);
    await party.remove('v4.0', 'event-subscriptions', id);
    party.close();
    const { entries } = (await call('GET', '/operator/v1/audit?actor=tpp:tpp-b')).body;
    const what = entries.map((entry: { action: string }) => entry.action.replace('event-subscription-', ''));
    assert.deepEqual(what, ['deleted', 'replaced', 'created']);
    const [deleted, replaced, created] = entries;
    for (const { subject, authenticatedBy, from, detail, role } of entries) {
      assert.deepEqual([subject, authenticatedBy, from, role], ['tpp-b', 'access-token', '127.0.0.1', undefined]);
      assert.deepEqual(detail.id, id);
      assert.match(detail.interactionId, /^[\da-f-]{36}$/);
    }
    const types = changed.EventTypes;
    assert.deepEqual([created.before, created.after.version, created.after.eventTypes], [undefined, '4.0', undefined]);
    assert.deepEqual([replaced.before.eventTypes, replaced.after.eventTypes], [undefined, types]);
    assert.deepEqual([deleted.before.eventTypes, deleted.after], [types, undefined]);
    await call('DELETE', '/operator/v1/tpps/tpp-b');
  });

  test('holds nothing of an operator who puts a TPP as it is', async () => {
    const body = { ...FACTS, scopes: ['accounts'] };
    for (let put = 0; put < 3; put += 1) assert.equal((await call('PUT', TPP, body)).status, 204);
    assert.deepEqual(await actions('?subject=tpp-a&limit=1'), ['tpp-added']);
    assert.equal((await call('PUT', TPP, { ...body, scopes: ['payments'] })).status, 204);
    assert.deepEqual(await actions('?subject=tpp-a&limit=2'), ['tpp-changed', 'tpp-added']);
    await call('DELETE', TPP);
  });

  test('holds nothing of a registration that is replaced by the same, and the difference of another', async () => {
    const party = await makeTpp(bank, 'tpp-b');
    const of = async () => (await call('GET', '/operator/v1/audit?actor=tpp:tpp-b')).body.entries;
    const before = (await of()).length;
    const id = await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const same = { EventSubscriptionId: id, Version: '4.0' };
    for (let put = 0; put < 20; put += 1) {
      assert.equal((await party.put('v4.0', 'event-subscriptions', id, same)).status, 200);
    }
    assert.equal((await of()).length, before + 1);
    await party.put('v4.0', 'event-subscriptions', id, { ...same, Version: '3.1' });
    const [replaced] = await of();
    assert.deepEqual([replaced.before, replaced.after], [{ version: '4.0' }, { version: '3.1' }]);
    await party.remove('v4.0', 'event-subscriptions', id);
    party.close();
    await call('DELETE', '/operator/v1/tpps/tpp-b');
  });

  test('bounds what it keeps of a change, however much a TPP repeats', async () => {
    const party = await makeTpp(bank, 'tpp-b');
    const id = await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    for (const repeats of [100, 99]) {
      const EventTypes = Array.from({ length: repeats }, () => 'UK.OBIE.Resource-Update');
      const body = { EventSubscriptionId: id, Version: '4.0', EventTypes };
      assert.equal((await party.put('v4.0', 'event-subscriptions', id, body)).status, 200);
    }
    const [replaced] = (await call('GET', '/operator/v1/audit?actor=tpp:tpp-b')).body.entries;
    assert.equal(replaced.before.eventTypes.items, 100);
    assert.equal(replaced.after.eventTypes.items, 99);
    assert.match(replaced.after.eventTypes.sha256, /^[0-9a-f]{64}$/);
    assert.equal(replaced.after.eventTypes.begins[0], 'UK.OBIE.Resource-Update');
    assert.ok(JSON.stringify(replaced).length < 2000, JSON.stringify(replaced));
    party.close();
    await call('DELETE', '/operator/v1/tpps/tpp-b');
  });

  test('is read page by page', async () => {
    const all = await actions();
    const first = (await call('GET', '/operator/v1/audit?limit=2')).body;
    assert.equal(first.entries.length, 2);
    const second = (await call('GET', `/operator/v1/audit?limit=1000&before=${first.next}`)).body;
    assert.equal(second.next, undefined);
    const both = [...first.entries, ...second.entries].map(({ action }) => action);
    assert.deepEqual(both, all);
  });

  for (const query of [
    'limit=0',
    'limit=1001',
    'limit=x',
    'before=x',
    'before=-1',
    'after=1',
    'limit=1&limit=2',
    'from=2026-11-21',
    'from=x',
    'actor=',
    'before=2026-11-21T25:00Z',
    'actor=a&actor=b',
  ]) {
    test(`with ?${query} answers 400`, async () => {
      assert.equal((await call('GET', `/operator/v1/audit?${query}`)).status, 400);
    });
  }

  test('is printed by tidings audit', async () => {
    const { entries, next } = JSON.parse(printed(await cli('audit', '--json', '--limit', '2')));
    assert.equal(entries.length, 2);
    const text = printed(await cli('audit', '--limit', '2'));
    assert.match(
      text,
      /^ID +AT +ACTOR +ROLE +FROM +ACTION +SUBJECT +DETAIL\n\d+ .* tests +administrator +127.0.0.1 +tpp-removed +tpp-b +\{\}\n/,
    );
    assert.ok(text.endsWith(`There are older entries; continue with --before ${next}\n`));
    assert.match(printed(await cli('audit', '--before', next)), / tpp-added /);
    assert.equal((await cli('audit', '--limit', '0')).code, 2);
  });
});

describe('a retry policy of a TPP’s own', () => {
  test('is kept and shown, with the TPP and in the list', async () => {
    const retry = { delayMs: 20, delayMaxMs: 40, retriesMax: 0, intervalMaxMs: 1000 };
    assert.equal((await put(retry)).status, 204);
    assert.deepEqual((await call('GET', TPP)).body.retry, retry);
    assert.deepEqual((await call('GET', '/operator/v1/tpps')).body.tpps[0].retry, retry);
    for (const operation of ['suspend', 'resume']) await call('POST', `${TPP}/${operation}`);
    assert.deepEqual((await call('GET', TPP)).body.retry, retry);
  });

  test('may override some of it, and is taken away by leaving it out, or empty', async () => {
    await put({ retriesMax: 7 });
    assert.deepEqual((await call('GET', TPP)).body.retry, { retriesMax: 7 });
    await put({});
    assert.equal((await call('GET', TPP)).body.retry, undefined);
    await put({ retriesMax: 7 });
    await put(undefined);
    assert.equal((await call('GET', TPP)).body.retry, undefined);
  });

  // The configuration of this service has delayMs 10 and delayMaxMs 10.
  for (const [retry, field] of [
    [{ delayMs: 9 }, 'retry.delayMs'],
    [{ delayMs: 3_600_001, delayMaxMs: 86_400_000 }, 'retry.delayMs'],
    [{ delayMaxMs: 86_400_001 }, 'retry.delayMaxMs'],
    [{ retriesMax: -1 }, 'retry.retriesMax'],
    [{ retriesMax: 1001 }, 'retry.retriesMax'],
    [{ retriesMax: 1.5 }, 'retry.retriesMax'],
    [{ intervalMaxMs: 999 }, 'retry.intervalMaxMs'],
    [{ intervalMaxMs: 2_592_000_001 }, 'retry.intervalMaxMs'],
    [{ jitter: 0.5 }, 'retry.jitter'],
    [7, 'retry'],
    [{ delayMs: 2000, delayMaxMs: 1999 }, 'retry.delayMaxMs'],
    [{ delayMs: 11 }, 'retry.delayMs'],
  ] as const) {
    test(`${JSON.stringify(retry)} answers 400 that names ${field}, and changes nothing`, async () => {
      const { status, body } = await put(retry);
      assert.equal(status, 400);
      assert.equal(body.field, field);
      assert.equal((await call('GET', TPP)).body.retry, undefined);
    });
  }

  test('is set, kept and taken away by tidings tpps', async () => {
    printed(await cli('tpps', 'change', 'tpp-a', '--retry', 'retriesMax=3,delayMaxMs=5000'));
    assert.match(
      printed(await cli('tpps', 'show', 'tpp-a')),
      /retry policy +retriesMax=3, delayMaxMs=5000; otherwise as configured/,
    );
    printed(await cli('tpps', 'change', 'tpp-a', '--scopes', 'accounts'));
    assert.deepEqual((await call('GET', TPP)).body.retry, { retriesMax: 3, delayMaxMs: 5000 });
    printed(await cli('tpps', 'change', 'tpp-a', '--retry', 'default'));
    assert.match(printed(await cli('tpps', 'show', 'tpp-a')), /retry policy +as configured/);
    const { code, stderr } = await cli('tpps', 'change', 'tpp-a', '--retry', 'many');
    assert.equal(code, 2);
    assert.match(stderr, /retriesMax=10,delayMs=2000/);
  });
});
