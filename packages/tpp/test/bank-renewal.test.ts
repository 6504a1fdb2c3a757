import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import { TLSSocket } from 'node:tls';
import { listenHttps, makeAuthority, makeParticipant, sendJson } from '@tidings/testing';
import { createBankClient } from '@tidings/tpp';

test('a renewed certificate is used for new connections and tokens, while a request in progress finishes', async (t) => {
  const authority = await makeAuthority();
  const [server, old, renewed] = [
    await authority.issue({ name: 'bank' }),
    await authority.issue({ name: 'old' }),
    await authority.issue({ name: 'renewed' }),
  ];
  const { certificatePem: caPem } = authority;
  const tpp = await makeParticipant('tpp', 'kid');
  const seen: string[] = [];
  const held = Promise.withResolvers<ServerResponse>();
  const { origin } = await listenHttps(
    t,
    (request, response) => {
      assert.ok(request.socket instanceof TLSSocket);
      const by = request.socket.getPeerCertificate().subject.CN;
      seen.push(`${request.url} ${by} ${request.headers.authorization ?? ''}`.trim());
      if (request.url === '/token') {
        return sendJson(response, { access_token: `token-of-${by}`, token_type: 'Bearer', expires_in: 300 });
      }
      if (request.url === '/slow') return held.resolve(response);
      response.end('{}');
    },
    { cert: server.certificatePem, key: server.keyPem, ca: caPem, requestCert: true, rejectUnauthorized: true },
  );
  const client = createBankClient({
    clientId: 'tpp',
    issuer: origin,
    tokenEndpoint: `${origin}/token`,
    baseUrl: `${origin}/open-banking/v4.0`,
    transport: { ...old, caPem },
    signer: tpp.signer,
    bank: { signer: 'bank', keys: tpp.keys },
    resourceOrigins: [origin],
  });
  t.after(() => client.close());
  const slow = client.fetchResource(`${origin}/slow`);
  const response = await held.promise;
  assert.throws(() => client.renew({ transport: { ...renewed, keyPem: old.keyPem, caPem } }), TypeError);
  client.renew({ transport: { ...renewed, caPem } });
  await client.fetchResource(`${origin}/after`);
  response.end('{"slow":true}');
  assert.deepEqual((await slow).body, { slow: true });
  await client.fetchResource(`${origin}/later`);
  const [before, after] = [seen.slice(0, 2), seen.slice(2)];
  const names = seen.map((line) => line.split(' ')[1]);
  assert.deepEqual(
    [...before, ...after].map((line, at) => line.replaceAll(names[at] ?? '', at < 2 ? 'old' : 'renewed')),
    [
      '/token old',
      '/slow old Bearer token-of-old',
      '/token renewed',
      '/after renewed Bearer token-of-renewed',
      '/later renewed Bearer token-of-renewed',
    ],
  );
  assert.equal(new Set(names).size, 2);
  assert.deepEqual([names[0], names[1]], [names[0], names[0]]);
});

test('a renewed signing key signs the next request', async (t) => {
  const authority = await makeAuthority();
  const identity = await authority.issue({ name: 'bank' });
  const kids: unknown[] = [];
  const { origin } = await listenHttps(
    t,
    (request, response) => {
      if (request.url === '/token') {
        return sendJson(response, { access_token: 'token', token_type: 'Bearer', expires_in: 300 });
      }
      const [header = ''] = String(request.headers['x-jws-signature']).split('.');
      kids.push(JSON.parse(Buffer.from(header, 'base64url').toString()).kid);
      response.writeHead(409).end();
    },
    { cert: identity.certificatePem, key: identity.keyPem },
  );
  const [first, second] = [await makeParticipant('tpp', 'first'), await makeParticipant('tpp', 'second')];
  const client = createBankClient({
    clientId: 'tpp',
    issuer: origin,
    tokenEndpoint: `${origin}/token`,
    baseUrl: `${origin}/open-banking/v4.0`,
    transport: { ...identity, caPem: authority.certificatePem },
    signer: first.signer,
    bank: { signer: 'bank', keys: first.keys },
  });
  t.after(() => client.close());
  await assert.rejects(client.eventSubscriptions.create({ version: '4.0' }), { status: 409 });
  client.renew({ signer: second.signer });
  await assert.rejects(client.eventSubscriptions.create({ version: '4.0' }), { status: 409 });
  assert.deepEqual(kids, ['first', 'second']);
});
