import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { startBank } from '../support/tpp-bank.ts';
import { makeSigningKey } from '../support/tpp-jws.ts';
import { registerParty } from '../support/tpp-party.ts';
import { cliOf, operatorCalls, printed } from './calling.ts';

// What operators changed, and the retry policy that is a TPP's own.

const bank = await startBank({ clients: [] });
const call = operatorCalls(bank);
const cli = cliOf(bank);
const key = await makeSigningKey('kid-1');
after(() => bank.stop());

const TPP = '/operator/v1/tpps/tpp-a';
const FACTS = { organisationId: 'org-1', softwareStatementId: 'software-1', jwks: { keys: [key.jwk] } };
const put = (retry: unknown) => call('PUT', TPP, { ...FACTS, retry });
const actions = async (query = '') =>
  (await call('GET', `/operator/v1/audit${query}`)).body.entries.map((entry: { action: string }) => entry.action);

describe('the audit', () => {
  test('holds every change to a TPP, the newest first, with what was changed', async () => {
    await registerParty(bank, 'tpp-a', key);
    await registerParty(bank, 'tpp-a', key, { scopes: ['accounts'] });
    for (const operation of ['suspend', 'resume']) await call('POST', `${TPP}/${operation}`);
    await call('DELETE', TPP);
    assert.deepEqual(await actions(), ['tpp-removed', 'tpp-resumed', 'tpp-suspended', 'tpp-changed', 'tpp-added']);
    const changed = (await call('GET', '/operator/v1/audit')).body.entries[3];
    assert.deepEqual([changed.actor, changed.subject], ['tests', 'tpp-a']);
    assert.deepEqual(changed.detail, { changed: ['scopes'] });
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

  for (const query of ['limit=0', 'limit=1001', 'limit=x', 'before=x', 'before=-1', 'after=1', 'limit=1&limit=2']) {
    test(`with ?${query} answers 400`, async () => {
      assert.equal((await call('GET', `/operator/v1/audit?${query}`)).status, 400);
    });
  }

  test('is printed by tidings audit', async () => {
    const { entries, next } = JSON.parse(printed(await cli('audit', '--json', '--limit', '2')));
    assert.equal(entries.length, 2);
    const text = printed(await cli('audit', '--limit', '2'));
    assert.match(text, /^ID +AT +ACTOR +ACTION +SUBJECT +DETAIL\n\d+ .* tests +tpp-removed +tpp-a +\{\}\n/);
    assert.ok(text.endsWith(`There are older ones: --before ${next}\n`));
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
    assert.match(printed(await cli('tpps', 'show', 'tpp-a')), /retry policy +retriesMax=3, delayMaxMs=5000; the rest/);
    printed(await cli('tpps', 'change', 'tpp-a', '--scopes', 'accounts'));
    assert.deepEqual((await call('GET', TPP)).body.retry, { retriesMax: 3, delayMaxMs: 5000 });
    printed(await cli('tpps', 'change', 'tpp-a', '--retry', 'default'));
    assert.match(printed(await cli('tpps', 'show', 'tpp-a')), /retry policy +as configured/);
    const { code, stderr } = await cli('tpps', 'change', 'tpp-a', '--retry', 'many');
    assert.equal(code, 2);
    assert.match(stderr, /retriesMax=10,delayMs=2000/);
  });
});
