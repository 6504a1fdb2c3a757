import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signDetached } from '@tidings/protocol';
import { makeParticipant, sendJson } from '@tidings/testing';
import type { BankClientOptions, BankError } from '@tidings/tpp';
import { type FakeBank, NOW_MS, startBank } from './support/fake-bank.ts';
import { BANK_ORG_ID } from './support/sets.ts';

const URL = 'https://tpp.example/open-banking/v4.0/event-notifications';
const WANTED = { url: URL, version: '4.0' };
const AT_BANK = { callbackUrlId: 'url-1', ...WANTED };

test('a callback URL is created, read, replaced and deleted, all signed as the standard requires', async (t) => {
  const bank = await startBank(t);
  const { callbackUrls } = bank.client;
  assert.equal(await callbackUrls.get(), undefined);
  assert.deepEqual(await callbackUrls.create(WANTED), AT_BANK);
  assert.deepEqual(await callbackUrls.get(), AT_BANK);
  assert.deepEqual(await callbackUrls.replace({ ...AT_BANK, version: '3.1' }), { ...AT_BANK, version: '3.1' });
  await callbackUrls.delete('url-1');
  assert.equal(bank.callbackUrl, undefined);
  const calls = bank.seen.filter(({ path }) => path.startsWith('/open-banking'));
  assert.deepEqual(
    calls.map(({ method, path, headers }) => [method, path.slice(18), typeof headers['x-jws-signature']]),
    [
      ['GET', '/callback-urls', 'undefined'],
      ['POST', '/callback-urls', 'string'],
      ['GET', '/callback-urls', 'undefined'],
      ['PUT', '/callback-urls/url-1', 'string'],
      ['DELETE', '/callback-urls/url-1', 'undefined'],
    ],
  );
  // The body of PUT is OBCallbackUrl1 too: it has no id.
  assert.deepEqual(JSON.parse(String(calls[3]?.body)), { Data: { Url: URL, Version: '3.1' } });
});

test('ensure creates a callback URL, then leaves it, then replaces it when it differs', async (t) => {
  const bank = await startBank(t);
  const { callbackUrls } = bank.client;
  assert.deepEqual(await callbackUrls.ensure(WANTED), { callbackUrl: AT_BANK, did: 'created' });
  assert.deepEqual(await callbackUrls.ensure(WANTED), { callbackUrl: AT_BANK, did: 'nothing' });
  const other = { url: URL.replace('v4.0', 'v4.1'), version: '4.0' };
  assert.deepEqual(await callbackUrls.ensure(other), { callbackUrl: { ...AT_BANK, ...other }, did: 'replaced' });
  assert.equal((await callbackUrls.ensure({ ...other, version: '3.1' })).did, 'replaced');
});

test('after a concurrent creation ensure reads again', async (t) => {
  const bank = await startBank(t);
  let isFirst = true;
  bank.instead = ({ method, path }) => {
    if (method === 'POST' && path.startsWith('/open-banking') && isFirst) bank.callbackUrl = AT_BANK;
    if (method === 'POST' && path.startsWith('/open-banking')) isFirst = false;
    return false;
  };
  assert.deepEqual(await bank.client.callbackUrls.ensure(WANTED), { callbackUrl: AT_BANK, did: 'nothing' });
});

test('a 409 has the code of the bank, and the reason names the field of a bad URL', async (t) => {
  const bank = await startBank(t);
  bank.callbackUrl = AT_BANK;
  await assert.rejects(bank.client.callbackUrls.create(WANTED), { kind: 'refused', status: 409, codes: ['U029'] });
  bank.callbackUrl = undefined;
  const bad = { ...WANTED, url: 'http://tpp.example/' };
  await assert.rejects(bank.client.callbackUrls.create(bad), (error: BankError) => {
    assert.deepEqual([error.status, error.details[0]?.code, error.details[0]?.path], [400, 'U002', 'Data.Url']);
    return true;
  });
});

test('a response without a signature, signed by another party, or about another id is untrusted', async (t) => {
  const bank = await startBank(t);
  const stranger = await makeParticipant(BANK_ORG_ID, 'bank-key-1');
  const body = { Data: { CallbackUrlId: 'url-2', Url: URL, Version: '4.0' }, Links: { Self: URL }, Meta: {} };
  const { callbackUrls } = bank.client;
  bank.instead = ({ method }, response) => {
    if (method !== 'PUT') return false;
    sendJson(response, body);
    return true;
  };
  await assert.rejects(callbackUrls.replace(AT_BANK), { kind: 'untrusted', message: /has no x-jws-signature/ });
  bank.instead = async ({ method }, response) => {
    if (method !== 'PUT') return false;
    const bytes = Buffer.from(JSON.stringify(body));
    const signature = await signDetached(bytes, stranger.signer, NOW_MS / 1000);
    response.writeHead(200, { 'x-jws-signature': signature }).end(bytes);
    return true;
  };
  await assert.rejects(callbackUrls.replace(AT_BANK), { kind: 'untrusted', message: /does not verify/ });
  bank.instead = async (seen, response) => {
    if (seen.method !== 'PUT') return false;
    await bank.answer(seen, response, 200, body);
    return true;
  };
  await assert.rejects(callbackUrls.replace(AT_BANK), { kind: 'untrusted', message: /is about another id/ });
});

test('a list of two and an invalid body are untrusted; a malformed id is never sent', async (t) => {
  const bank = await startBank(t);
  const { callbackUrls } = bank.client;
  const entry = { CallbackUrlId: 'url-1', Url: URL, Version: '4.0' };
  for (const Data of [{ CallbackUrl: [entry, entry] }, { CallbackUrl: [{ Url: URL }] }]) {
    bank.instead = async (seen, response) => {
      if (seen.method !== 'GET' || !seen.path.startsWith('/open-banking')) return false;
      await bank.answer(seen, response, 200, { Data, Links: { Self: URL }, Meta: {} });
      return true;
    };
    await assert.rejects(callbackUrls.get(), { kind: 'untrusted' });
  }
  const before = bank.seen.length;
  for (const id of ['', '..', 'x'.repeat(41)]) {
    await assert.rejects(callbackUrls.delete(id), TypeError);
    await assert.rejects(callbackUrls.replace({ ...WANTED, callbackUrlId: id }), TypeError);
  }
  assert.equal(bank.seen.length, before);
});

async function startV31(t: Parameters<typeof startBank>[0], options: Partial<BankClientOptions>): Promise<FakeBank> {
  return await startBank(t, (origin) => ({ baseUrl: `${origin}/open-banking/v3.1/`, ...options }));
}

test('v3.1 supports registrations like v4.0, with its own error codes', async (t) => {
  const bank = await startV31(t, {});
  const url = 'https://tpp.example/open-banking/event-notifications';
  assert.equal((await bank.client.callbackUrls.ensure({ url, version: '3.1' })).did, 'created');
  assert.equal((await bank.client.eventSubscriptions.ensure({ callbackUrl: url, version: '3.1' })).did, 'created');
  await assert.rejects(bank.client.callbackUrls.create({ url, version: '3.1' }), {
    status: 409,
    codes: ['UK.OBIE.Rules.ResourceAlreadyExists'],
  });
  assert.ok(bank.seen.every(({ path }) => !path.includes('v4.0')));
});

test('with unencodedPayload requests are signed with b64 false, and such responses are accepted', async (t) => {
  const bank = await startV31(t, { unencodedPayload: true });
  bank.unencodedPayload = true;
  await bank.client.eventSubscriptions.ensure({ version: '3.1.2' });
  const signature = String(bank.seen.at(-1)?.headers['x-jws-signature']);
  const header = JSON.parse(Buffer.from(signature.split('.')[0] ?? '', 'base64url').toString());
  assert.equal(header.b64, false);
  assert.equal(header.crit.length, 4);
  assert.equal((await bank.client.eventSubscriptions.ensure({ version: '3.1.2' })).did, 'nothing');
});

test('without it a response with b64 false is untrusted', async (t) => {
  const bank = await startV31(t, {});
  bank.unencodedPayload = true;
  await assert.rejects(bank.client.eventSubscriptions.get(), { kind: 'untrusted' });
});

test('unencodedPayload throws on v4.0, and b64 false is untrusted in a resource of v4.0', async (t) => {
  await assert.rejects(startBank(t, { unencodedPayload: true }), TypeError);
  const bank = await startV31(t, { unencodedPayload: true });
  const stranger = await makeParticipant('x', 'y');
  bank.instead = async ({ path }, response) => {
    if (path !== '/resource') return false;
    const signature = await signDetached(Buffer.from('{}'), stranger.signer, NOW_MS / 1000, { unencodedPayload: true });
    response.writeHead(200, { 'x-jws-signature': signature }).end('{}');
    return true;
  };
  await assert.rejects(bank.client.fetchResource(`${bank.origin}/resource`), { kind: 'untrusted', message: /b64/ });
});
