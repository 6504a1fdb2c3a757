import assert from 'node:assert/strict';
import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, mock, test } from 'node:test';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { unusedPort } from '@tidings/testing';
import {
  type AuthorisationServerOptions,
  startAuthorisationServer,
} from '../src/authorisation-server/authorisation-server.ts';
import { openPki, type TransportCertificate } from '../src/pki/pki.ts';

/** From the start of the file, because oidc-provider gives each of its notices once in a process. */
const printed = (['log', 'info', 'warn', 'error', 'debug'] as const).map((method) => mock.method(console, method).mock);

const base = mkdtempSync(path.join(tmpdir(), 'tidings-authorisation-server-'));
const pki = await openPki({ folder: path.join(base, 'pki'), nowMs: Date.now() });
const foreignPki = await openPki({ folder: path.join(base, 'foreign'), nowMs: Date.now() });

const audience = 'https://localhost/open-banking';
const failures: Error[] = [];
const options: AuthorisationServerOptions = {
  host: '127.0.0.1',
  port: 0,
  tls: {
    certificatePem: pki.bank.transport.certificatePem,
    keyPem: pki.bank.transport.keyPem,
    caPem: pki.root.certificatePem,
  },
  signingKey: pki.bank.signing,
  audience,
  clients: [
    { clientId: 'sample-tpp', certificateSubjectDn: pki.tpp.transport.subjectDn, scopes: ['accounts', 'payments'] },
    { clientId: 'another-tpp', certificateSubjectDn: 'CN=another,O=Another Ltd,C=GB', scopes: ['accounts'] },
  ],
  onError: (error) => failures.push(error),
};
const server = await startAuthorisationServer(options);
after(async () => {
  await server.close();
  rmSync(base, { recursive: true });
});

/** What Node takes to present a certificate. */
const presenting = (certificate: TransportCertificate) => ({
  ca: pki.root.certificatePem,
  cert: certificate.certificatePem,
  key: certificate.keyPem,
});

interface Answer {
  readonly status: number | undefined;
  readonly allow: string | undefined;
  /** Of JSON. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** One exchange on a connection of its own, as the TPP where `over` does not say otherwise. */
async function send(url: string, over: RequestOptions = {}, form?: Readonly<Record<string, string>>): Promise<Answer> {
  const outgoing = request(url, { agent: false, ...presenting(pki.tpp.transport), ...over });
  if (form !== undefined) outgoing.setHeader('content-type', 'application/x-www-form-urlencoded');
  outgoing.end(form === undefined ? undefined : new URLSearchParams(form).toString());
  const [response] = await once(outgoing, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode, allow: response.headers.allow, body: text === '' ? {} : parse(text) };
}

const askToken = (form: Readonly<Record<string, string>>, over: RequestOptions = {}) =>
  send(
    server.tokenEndpoint,
    { method: 'POST', ...over },
    { grant_type: 'client_credentials', client_id: 'sample-tpp', scope: 'accounts', ...form },
  );

function parse(text: string): Readonly<Record<string, unknown>> {
  const json: unknown = JSON.parse(text);
  assert.ok(typeof json === 'object' && json !== null && !Array.isArray(json));
  return { ...json };
}

function decode(token: unknown) {
  assert.ok(typeof token === 'string');
  const [header, payload, signature, ...more] = token.split('.');
  assert.ok(header !== undefined && payload !== undefined && signature !== undefined && more.length === 0);
  return {
    header: parse(Buffer.from(header, 'base64url').toString()),
    claims: parse(Buffer.from(payload, 'base64url').toString()),
    signingInput: Buffer.from(`${header}.${payload}`),
    signature: Buffer.from(signature, 'base64url'),
  };
}

describe('an access token', { timeout: 20_000 }, () => {
  test('is issued over mutual TLS, with the claims of RFC 9068 and bound to the certificate presented', async () => {
    const beforeSeconds = Math.floor(Date.now() / 1000);
    const { status, body } = await askToken({ scope: 'payments accounts' });
    assert.equal(status, 200);
    assert.deepEqual([body['token_type'], body['expires_in'], body['scope']], ['Bearer', 300, 'payments accounts']);
    const { header, claims } = decode(body['access_token']);
    assert.deepEqual(header, { alg: 'PS256', typ: 'at+jwt', kid: pki.bank.signing.kid });
    const { iat, exp, jti, ...fixed } = claims;
    assert.deepEqual(fixed, {
      iss: server.issuer,
      aud: audience,
      sub: 'sample-tpp',
      client_id: 'sample-tpp',
      scope: 'payments accounts',
      cnf: { 'x5t#S256': pki.tpp.transport.thumbprintS256 },
    });
    assert.ok(typeof iat === 'number' && iat >= beforeSeconds && iat <= Date.now() / 1000);
    assert.equal(exp, iat + 300);
    assert.ok(typeof jti === 'string' && jti.length >= 20);
  });

  test('verifies against the served JWKS, which has public members only', async () => {
    const { body } = await askToken({});
    const { header, signingInput, signature } = decode(body['access_token']);
    const { keys } = (await send(server.jwksUri)).body;
    assert.ok(Array.isArray(keys) && keys.length === 1);
    const jwk = parse(JSON.stringify(keys[0]));
    assert.deepEqual(jwk, { ...pki.bank.signing.publicJwk });
    assert.equal(jwk['kid'], header['kid']);
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' });
    assert.ok(verify('sha256', signingInput, { key, padding: 6, saltLength: 32 }, signature));
    assert.ok(
      !verify(
        'sha256',
        Buffer.concat([signingInput, Buffer.from('x')]),
        { key, padding: 6, saltLength: 32 },
        signature,
      ),
    );
  });

  test('is bound to the same certificate when the TLS session is resumed', async () => {
    const { hostname: host, port } = new URL(server.issuer);
    const first = connectTls({ ...presenting(pki.tpp.transport), host, port: Number(port), servername: host });
    const [session] = await once(first, 'session');
    first.destroy();
    const resuming = new Agent({ session, keepAlive: true });
    const freed = once(resuming, 'free');
    const { body } = await askToken({}, { agent: resuming });
    const [socket] = await freed;
    assert.ok(socket instanceof TLSSocket && socket.isSessionReused());
    assert.deepEqual(decode(body['access_token']).claims['cnf'], { 'x5t#S256': pki.tpp.transport.thumbprintS256 });
    resuming.destroy();
  });

  test('has the configured lifetime', async () => {
    const brief = await startAuthorisationServer({ ...options, accessTokenTtlSeconds: 7 });
    const form = { grant_type: 'client_credentials', client_id: 'sample-tpp', scope: 'accounts' };
    const { body } = await send(brief.tokenEndpoint, { method: 'POST' }, form);
    const { claims } = decode(body['access_token']);
    assert.equal(body['expires_in'], 7);
    assert.equal(Number(claims['exp']) - Number(claims['iat']), 7);
    assert.equal(claims['iss'], brief.issuer);
    await brief.close();
  });

  const hex = () => Buffer.from(`PSDGB-OB-Unknown${pki.tpp.organisationId}`).toString('hex');
  const spellings: readonly (readonly [string, () => string])[] = [
    [
      'with spaces and the organisation identifier as DER',
      () => `2.5.4.97=#1322${hex()}, O=Tidings Sample TPP Ltd, C=GB`,
    ],
    ['in other letter case', () => `organizationidentifier=#0C22${hex()},o=TIDINGS sample tpp ltd,c=gb`],
  ];
  for (const [how, rest] of spellings) {
    test(`is issued to a registration whose subject is written ${how}`, async () => {
      const certificateSubjectDn = `CN=${pki.tpp.organisationId}, ${rest()}`;
      const other = await startAuthorisationServer({
        ...options,
        clients: [{ clientId: 'sample-tpp', certificateSubjectDn, scopes: ['accounts'] }],
      });
      const form = { grant_type: 'client_credentials', client_id: 'sample-tpp', scope: 'accounts' };
      assert.equal((await send(other.tokenEndpoint, { method: 'POST' }, form)).status, 200);
      await other.close();
    });
  }
});

describe('the token endpoint refuses', { timeout: 20_000 }, () => {
  const refused = async (answer: Promise<Answer>, status: number, error: string) => {
    const { status: actual, body } = await answer;
    assert.deepEqual([actual, body['error']], [status, error]);
    assert.equal(body['access_token'], undefined);
  };

  test('a certificate of the same root whose subject is not the registered one', async () => {
    await refused(askToken({}, presenting(pki.bank.transport)), 401, 'invalid_client');
    await refused(askToken({ client_id: 'another-tpp' }), 401, 'invalid_client');
  });

  test('a client_id that is not registered, and none at all', async () => {
    await refused(askToken({ client_id: 'nobody' }), 401, 'invalid_client');
    await refused(askToken({ client_id: '' }), 400, 'invalid_request');
  });

  test('other ways of client authentication', async () => {
    const basic = `Basic ${Buffer.from('sample-tpp:secret').toString('base64')}`;
    const form = { grant_type: 'client_credentials', scope: 'accounts' };
    const answer = send(server.tokenEndpoint, { method: 'POST', headers: { authorization: basic } }, form);
    await refused(answer, 401, 'invalid_client');
  });

  test('a scope that is unknown, that is not the client’s, or that is missing', async () => {
    for (const scope of ['accounts nonsense', 'fundsconfirmations', 'openid', '']) {
      await refused(askToken({ scope }), 400, 'invalid_scope');
    }
  });

  test('every other grant', async () => {
    const code = { code: 'x', redirect_uri: 'https://tpp.example/' };
    await refused(askToken({ grant_type: 'authorization_code', ...code }), 400, 'unsupported_grant_type');
    await refused(askToken({ grant_type: 'refresh_token', refresh_token: 'x' }), 400, 'unsupported_grant_type');
    await refused(askToken({ grant_type: 'password', username: 'a', password: 'b' }), 400, 'unsupported_grant_type');
  });

  test('another audience than the configured one, which it accepts', async () => {
    await refused(askToken({ resource: 'https://elsewhere.example/' }), 400, 'invalid_target');
    const { body } = await askToken({ resource: audience });
    assert.equal(decode(body['access_token']).claims['aud'], audience);
  });

  test('a body over its limit', async () => {
    await refused(askToken({ padding: 'x'.repeat(60 * 1024) }), 400, 'invalid_request');
  });
});

describe('the handshake refuses', { timeout: 20_000 }, () => {
  /** In TLS 1.3 a client is done with the handshake before the server has looked, and hears of it as it reads. */
  const isRefused = (over: RequestOptions) =>
    assert.rejects(askToken({}, { ca: pki.root.certificatePem, ...over }), (error) => {
      assert.ok(error instanceof Error && 'code' in error);
      assert.match(String(error.code), /^(ERR_SSL_.*|EPROTO|ECONNRESET|EPIPE)$/);
      return true;
    });

  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`a client without a certificate, in ${maxVersion}`, async () => {
      await isRefused({ cert: undefined, key: undefined, maxVersion });
    });

    test(`a certificate of another root with the same names, in ${maxVersion}`, async () => {
      const { certificatePem, keyPem, subjectDn } = foreignPki.tpp.transport;
      assert.equal(subjectDn, pki.tpp.transport.subjectDn);
      await isRefused({ cert: certificatePem, key: keyPem, maxVersion });
    });
  }

  test('TLS 1.1, which the client would speak', async () => {
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
    await assert.rejects(askToken({}, old), /alert protocol version/);
  });
});

describe('the server', { timeout: 20_000 }, () => {
  test('serves its metadata in both places, and states nothing that it does not serve', async () => {
    for (const name of ['openid-configuration', 'oauth-authorization-server']) {
      const { status, body } = await send(`${server.issuer}/.well-known/${name}`);
      assert.equal(status, 200);
      assert.equal(body['issuer'], server.issuer);
      assert.equal(body['token_endpoint'], server.tokenEndpoint);
      assert.equal(body['jwks_uri'], server.jwksUri);
      assert.deepEqual(body['grant_types_supported'], ['client_credentials']);
      assert.deepEqual(body['token_endpoint_auth_methods_supported'], ['tls_client_auth']);
      assert.deepEqual(body['scopes_supported'], ['accounts', 'payments', 'fundsconfirmations']);
      assert.equal(body['tls_client_certificate_bound_access_tokens'], true);
      const endpoints = Object.keys(body).filter((member) => /_(endpoint|uri)$/.test(member));
      assert.deepEqual(endpoints.sort(), ['jwks_uri', 'token_endpoint']);
    }
  });

  test('serves nothing else', async () => {
    for (const elsewhere of [
      '/',
      '/auth',
      '/me',
      '/reg',
      '/session/end',
      '/request',
      '/token/introspection',
      '/interaction/x',
    ]) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        assert.equal((await send(`${server.issuer}${elsewhere}`, { method })).status, 404, `${method} ${elsewhere}`);
      }
    }
  });

  test('serves each path with one method, and names it in the responses to others', async () => {
    for (const [url, allowed] of [
      [server.tokenEndpoint, 'POST'],
      [server.jwksUri, 'GET'],
    ] as const) {
      for (const method of ['GET', 'POST', 'PUT', 'OPTIONS'].filter((each) => each !== allowed)) {
        const { status, allow } = await send(url, { method });
        assert.deepEqual([status, allow], [405, allowed], `${method} ${url}`);
      }
    }
  });

  test('prints nothing, whatever the request, and has no internal errors', async () => {
    const quiet = await startAuthorisationServer(options);
    const browser = { accept: 'text/html', origin: 'https://tpp.example' };
    const form = { grant_type: 'client_credentials', client_id: 'sample-tpp', scope: 'accounts' };
    for (const headers of [{}, browser]) {
      const over = { method: 'POST', headers };
      await send(quiet.tokenEndpoint, over, form);
      await send(quiet.tokenEndpoint, over, { ...form, scope: 'nonsense' });
      await send(quiet.tokenEndpoint, over, { ...form, client_id: 'nobody' });
      await send(quiet.jwksUri, { headers });
      await send(`${quiet.issuer}/.well-known/openid-configuration`, { headers });
    }
    await quiet.close();
    assert.deepEqual(
      printed.flatMap(({ calls }) => calls.map((call) => call.arguments)),
      [],
    );
    assert.deepEqual(failures, []);
  });

  test('rejects with the error of listen when the port is taken', async () => {
    const blocker = createTcpServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    const address = blocker.address();
    assert.ok(typeof address === 'object' && address !== null);
    await assert.rejects(startAuthorisationServer({ ...options, port: address.port }), { code: 'EADDRINUSE' });
    blocker.close();
  });

  test('rejects invalid clients and audiences, and releases its port', async () => {
    const [client] = options.clients;
    assert.ok(client !== undefined);
    const port = await unusedPort();
    const wrong: Partial<AuthorisationServerOptions>[] = [
      { audience: 'open-banking' },
      { audience: 'https://localhost/#here' },
      { clients: [{ ...client, certificateSubjectDn: 'not a name' }] },
      { clients: [{ ...client, scopes: [] }] },
      { clients: [{ ...client, scopes: ['accounts', 'nonsense'] }] },
    ];
    for (const part of wrong) await assert.rejects(startAuthorisationServer({ ...options, port, ...part }), TypeError);
    await (await startAuthorisationServer({ ...options, port })).close();
  });

  test('closes promptly with a kept-alive connection, and with one without a handshake', async () => {
    const closing = await startAuthorisationServer(options);
    const agent = new Agent({ keepAlive: true });
    await send(closing.jwksUri, { agent });
    const silent = connectTcp(Number(new URL(closing.issuer).port), '127.0.0.1');
    await once(silent, 'connect');
    const begunMs = performance.now();
    await Promise.all([closing.close(), closing.close()]);
    // Well below the keep-alive timeout of 5 s and the handshake timeout of 10 s.
    assert.ok(performance.now() - begunMs < 3000);
    agent.destroy();
    silent.destroy();
    await assert.rejects(send(closing.jwksUri), { code: 'ECONNREFUSED' });
    await closing.close();
  });
});
