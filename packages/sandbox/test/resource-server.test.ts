import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createAccessTokenVerifier, systemClock } from '@tidings/service';
import { makeSigningKey } from '@tidings/testing';
import { createTlsFetch, type TlsTransport } from '@tidings/tpp';
import { startAuthorisationServer } from '../src/authorisation-server/authorisation-server.ts';
import { openPki } from '../src/pki/pki.ts';
import { CHANGES, type Change, eventOf, Ledger, resourceNamed, titleOf } from '../src/resource-server/ledger.ts';
import { startResourceServer } from '../src/resource-server/resource-server.ts';

const base = mkdtempSync(join(tmpdir(), 'tidings-resource-server-'));
const pki = await openPki({ folder: join(base, 'pki'), nowMs: Date.now() });
const foreignPki = await openPki({ folder: join(base, 'foreign'), nowMs: Date.now() });
const tls = { ...pki.bank.transport, caPem: pki.root.certificatePem };
const audience = 'https://bank.example/open-banking';
const SCOPES = ['accounts', 'payments', 'fundsconfirmations'];
const authorisationServer = await startAuthorisationServer({
  host: '127.0.0.1',
  port: 0,
  tls,
  audience,
  signingKey: makeSigningKey('tokens'),
  clients: [
    { clientId: 'owner', certificateSubjectDn: pki.tpp.transport.subjectDn, scopes: SCOPES },
    { clientId: 'other', certificateSubjectDn: pki.tpp.transport.subjectDn, scopes: SCOPES },
  ],
});
const accessTokens = createAccessTokenVerifier({
  issuer: authorisationServer.issuer,
  audience,
  jwksUrl: authorisationServer.jwksUri,
  tls: { ca: tls.caPem, cert: tls.certificatePem, key: tls.keyPem },
  clockSkewSeconds: 10,
  timeoutMs: 5000,
  clock: systemClock,
});
const ledger = new Ledger();
const server = await startResourceServer({ host: '127.0.0.1', port: 0, tls, accessTokens, ledger });
const tlsFetch = createTlsFetch({ transport: { ...pki.tpp.transport, caPem: tls.caPem } });
after(async () => {
  tlsFetch.close();
  await server.close();
  await accessTokens.close();
  await authorisationServer.close();
  rmSync(base, { recursive: true });
});

async function token(clientId: string, scope: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, scope }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const response = await tlsFetch(authorisationServer.tokenEndpoint, { method: 'POST', headers, body });
  const { access_token: accessToken } = (await response.json()) as { access_token: string };
  return accessToken;
}

const SCOPE_OF: Readonly<Record<Change, string>> = {
  'payment-settled': 'payments',
  'consent-revoked': 'accounts',
  'account-closed': 'accounts',
  'funds-consent-revoked': 'fundsconfirmations',
};

function linksOf(change: Change) {
  const resource = ledger.open(change, 'owner', Date.now());
  const event = eventOf(change, resource, server.origin, 'txn-1');
  return { resource, event, links: event.resource.links.map(({ link }) => link) };
}

async function get(link: string, accessToken: string | undefined, method = 'GET', headers = {}) {
  const authorization = accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` };
  const response = await tlsFetch(link, { method, headers: { ...authorization, ...headers } });
  assert.match(response.headers.get('x-fapi-interaction-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  return { status: response.status, headers: response.headers, text: await response.text() };
}

for (const change of CHANGES) {
  test(`after ${change} its owner reads the resource under every link of the event, with the scope of its family`, async () => {
    const { resource, links } = linksOf(change);
    const changed = ledger.change(resource, change, Date.now());
    const accessToken = await token('owner', SCOPE_OF[change]);
    for (const link of links) {
      const { status, headers, text } = await get(link, accessToken);
      assert.equal(status, 200);
      assert.equal(headers.get('content-type'), 'application/json; charset=utf-8');
      const { Data, Links, Meta } = JSON.parse(text);
      assert.equal(Data.ConsentId ?? Data.DomesticPaymentId, resource.id);
      assert.equal(Data.Status, changed.status);
      assert.deepEqual({ Links, Meta }, { Links: { Self: link }, Meta: {} });
    }
    assert.ok(titleOf(change).length > 0);
  });

  test(`a token without the scope of ${change} gets 403 without a body`, async () => {
    const { links } = linksOf(change);
    const others = SCOPES.filter((scope) => scope !== SCOPE_OF[change]).join(' ');
    const { status, text } = await get(links[0] ?? '', await token('owner', others));
    assert.deepEqual({ status, text }, { status: 403, text: '' });
  });
}

test('a resource of another TPP is 403 and an unknown one 400, both without a body', async () => {
  const { links, resource } = linksOf('payment-settled');
  const accessToken = await token('other', 'payments');
  const link = links[0] ?? '';
  const foreign = await get(link, accessToken);
  assert.deepEqual([foreign.status, foreign.text], [403, '']);
  const unknown = await get(link.replace(resource.id, randomUUID()), accessToken);
  assert.deepEqual([unknown.status, unknown.text], [400, '']);
});

test('an id under the path of another kind of resource is unknown', async () => {
  const { links } = linksOf('consent-revoked');
  const wrong = (links[0] ?? '')
    .replace('account-access-consents', 'funds-confirmation-consents')
    .replace('aisp', 'cbpii');
  assert.equal((await get(wrong, await token('owner', 'fundsconfirmations'))).status, 400);
});

test('without a token or with an invalid one the response is 401 with the scheme', async () => {
  const { links } = linksOf('payment-settled');
  const good = await token('owner', 'payments');
  for (const bad of [undefined, 'x', `${good}x`, good.slice(0, -4)]) {
    const { status, headers, text } = await get(links[0] ?? '', bad);
    assert.deepEqual([status, text, headers.get('www-authenticate')], [401, '', 'Bearer']);
  }
});

test('a token bound to another certificate is refused', async () => {
  const { links } = linksOf('payment-settled');
  const transport: TlsTransport = { ...pki.bank.transport, caPem: tls.caPem };
  const asBank = createTlsFetch({ transport });
  const authorization = `Bearer ${await token('owner', 'payments')}`;
  const response = await asBank(links[0] ?? '', { headers: { authorization } });
  assert.equal(response.status, 401);
  asBank.close();
});

test('without a client certificate, or with a foreign one, there is no connection', async () => {
  const { links } = linksOf('payment-settled');
  for (const transport of [{ caPem: tls.caPem }, { ...foreignPki.tpp.transport, caPem: tls.caPem }]) {
    const stranger = createTlsFetch({ transport });
    await assert.rejects(stranger(links[0] ?? ''), { name: 'TlsFetchError', code: 'connection' });
    stranger.close();
  }
});

test('resources are read-only: every other method is 405 with Allow', async () => {
  const { links } = linksOf('payment-settled');
  const accessToken = await token('owner', 'payments');
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    const { status, headers, text } = await get(links[0] ?? '', accessToken, method);
    assert.deepEqual([status, text, headers.get('allow')], [405, '', 'GET'], method);
  }
});

test('an unknown path is 404, and paths match exactly', async () => {
  const { links } = linksOf('payment-settled');
  const accessToken = await token('owner', 'payments');
  const link = links[0] ?? '';
  for (const wrong of [
    `${server.origin}/`,
    `${link}/`,
    link.replace('v3.1', 'v2.0'),
    link.slice(0, -1),
    `${link}%20`,
  ]) {
    assert.equal((await get(wrong, accessToken)).status, 404, wrong);
  }
  assert.equal((await get(`${link}?x=1`, accessToken)).status, 200, 'a query is not part of the path');
});

test('the interaction id of the caller is echoed when it is a UUID', async () => {
  const id = randomUUID();
  const { links } = linksOf('payment-settled');
  for (const accessToken of [await token('owner', 'payments'), undefined]) {
    const { headers } = await get(links[0] ?? '', accessToken, 'GET', { 'x-fapi-interaction-id': id });
    assert.equal(headers.get('x-fapi-interaction-id'), id);
  }
  const { headers } = await get(links[0] ?? '', undefined, 'GET', { 'x-fapi-interaction-id': 'no-uuid' });
  assert.notEqual(headers.get('x-fapi-interaction-id'), 'no-uuid');
});

test('the ledger forgets its oldest resource beyond ten thousand', () => {
  const books = new Ledger();
  const first = books.open('payment-settled', 'owner', 0);
  const second = books.open('payment-settled', 'owner', 0);
  for (let count = 2; count < 10_001; count += 1) books.open('payment-settled', 'owner', 0);
  assert.equal(books.find('domestic-payment', first.id), undefined);
  assert.deepEqual(books.find('domestic-payment', second.id), second);
});

test('an event names the resource under its newest version, with links to all, and its own id', () => {
  const { event, resource, links } = linksOf('account-closed');
  assert.equal(event.resource.uri, links.at(-1));
  assert.deepEqual(
    event.resource.links.map(({ version }) => version),
    ['v3.1', 'v4.0'],
  );
  assert.notEqual(event.id, resource.id);
  assert.equal(event.occurredAt, new Date(resource.statusChangedAtMs).toISOString());
  assert.deepEqual(resourceNamed(new URL(event.resource.uri).pathname)?.id, resource.id);
});
