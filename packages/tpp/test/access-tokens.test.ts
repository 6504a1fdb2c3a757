import assert from 'node:assert/strict';
import { constants, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { makeParticipant, sendJson, testPki } from '@tidings/testing';
import { BankError, createBankClient } from '@tidings/tpp';
import { NOW_MS, startBank } from './support/fake-bank.ts';

const { RSA_PKCS1_PSS_PADDING } = constants;

test('a token is issued by client credentials over mutual TLS, at the endpoint that discovery names', async (t) => {
  const bank = await startBank(t);
  assert.deepEqual(await bank.client.token(), {
    accessToken: 'token-1',
    scope: 'accounts',
    expiresAtMs: NOW_MS + 300_000,
  });
  assert.deepEqual(
    bank.seen.map(({ path }) => path),
    ['/.well-known/openid-configuration', '/mtls/token'],
  );
  assert.deepEqual(Object.fromEntries(bank.tokenRequests[0] ?? []), {
    grant_type: 'client_credentials',
    client_id: 'tpp-client-1',
    scope: 'accounts',
  });
});

test('with a given token endpoint discovery is skipped, and the configured scope is requested', async (t) => {
  const bank = await startBank(t);
  const pki = await testPki();
  const client = createBankClient({
    clientId: 'tpp-client-1',
    issuer: bank.origin,
    tokenEndpoint: `${bank.origin}/mtls/token`,
    baseUrl: `${bank.origin}/open-banking/v4.0`,
    scope: 'accounts payments',
    transport: { ...pki.client, caPem: pki.caPem },
    signer: (await makeParticipant('tpp', 'kid')).signer,
    bank: { signer: 'bank', keys: { keyFor: async () => undefined } },
  });
  t.after(() => client.close());
  bank.token.answer = { token_type: 'bearer' };
  const before = Date.now();
  const { scope, expiresAtMs } = await client.token();
  assert.equal(scope, 'accounts payments');
  // Without expires_in a token is taken to live a minute.
  assert.ok(expiresAtMs >= before + 60_000 && expiresAtMs <= Date.now() + 60_000);
  assert.deepEqual(
    bank.seen.map(({ path }) => path),
    ['/mtls/token'],
  );
  assert.equal(bank.tokenRequests[0]?.get('scope'), 'accounts payments');
});

test('a token is cached until 30 seconds before it expires, a short-lived one for nine tenths of its lifetime', async (t) => {
  const bank = await startBank(t);
  await bank.client.token();
  bank.nowMs = NOW_MS + 269_999;
  await bank.client.token();
  assert.equal(bank.tokenRequests.length, 1);
  bank.token.answer = { token_type: 'Bearer', expires_in: 10 };
  bank.nowMs = NOW_MS + 270_000;
  await bank.client.token();
  assert.equal(bank.tokenRequests.length, 2);
  bank.nowMs += 8_999;
  await bank.client.token();
  assert.equal(bank.tokenRequests.length, 2);
  bank.nowMs += 1;
  await bank.client.token();
  assert.equal(bank.tokenRequests.length, 3);
});

test('concurrent callers share one request', async (t) => {
  const bank = await startBank(t);
  const tokens = await Promise.all([1, 2, 3, 4].map(() => bank.client.token()));
  assert.deepEqual(new Set(tokens.map(({ accessToken }) => accessToken)), new Set(['token-1']));
  assert.equal(bank.tokenRequests.length, 1);
  assert.equal(bank.seen.length, 2);
});

test('concurrent calls that get a 401 fetch one new token, and each is retried once', async (t) => {
  const bank = await startBank(t);
  await bank.client.token();
  bank.token.value = 'token-2';
  const both = Promise.withResolvers<void>();
  let refused = 0;
  bank.instead = async (seen) => {
    // Both requests are with the bank before either is refused.
    if (seen.headers.authorization === 'Bearer token-1') {
      refused += 1;
      if (refused === 2) both.resolve();
      await both.promise;
    }
    return false;
  };
  const calls = [bank.client.eventSubscriptions.get(), bank.client.fetchResource(`${bank.origin}/resource`)];
  await Promise.all(calls);
  assert.equal(bank.tokenRequests.length, 2);
  assert.equal((await bank.client.token()).accessToken, 'token-2');
});

test('a late 401 does not discard the token obtained meanwhile', async (t) => {
  const bank = await startBank(t);
  await bank.client.token();
  bank.token.value = 'token-2';
  const arrived = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  bank.instead = async ({ path, headers }) => {
    if (path === '/resource' && headers.authorization === 'Bearer token-1') {
      arrived.resolve();
      await release.promise;
    }
    return false;
  };
  const late = bank.client.fetchResource(`${bank.origin}/resource`);
  await arrived.promise;
  await bank.client.eventSubscriptions.get();
  release.resolve();
  assert.equal((await late).status, 200);
  assert.equal(bank.tokenRequests.length, 2);
});

test('an authorisation server that refuses is unauthorised, with its OAuth code and the reason in the message', async (t) => {
  const bank = await startBank(t);
  bank.instead = ({ path }, response) => {
    if (path !== '/mtls/token') return false;
    sendJson(response, { error: 'invalid_scope', error_description: 'no such scope' }, 400);
    return true;
  };
  const expected = { name: 'BankError', kind: 'unauthorised', status: 400, codes: ['invalid_scope'] };
  await assert.rejects(bank.client.token(), (error: BankError) => {
    const { name, kind, status, codes } = error;
    assert.deepEqual({ name, kind, status, codes }, expected);
    assert.match(error.message, /^POST https:\S+\/mtls\/token: .*invalid_scope: no such scope\. Check scope/);
    return true;
  });
  bank.instead = ({ path }, response) => {
    if (path !== '/mtls/token') return false;
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_client"' }).end();
    return true;
  };
  await assert.rejects(bank.client.token(), { kind: 'unauthorised', status: 401 });
  // A failure is not kept: the next call asks again.
  bank.instead = undefined;
  assert.equal((await bank.client.token()).accessToken, 'token-1');
  // Nor is what was discovered: the authorisation server may have moved.
  assert.equal(bank.seen.filter(({ path }) => path === '/.well-known/openid-configuration').length, 3);
});

test('a redirect and a 503 of the authorisation server are refusals, and are not followed', async (t) => {
  const bank = await startBank(t);
  for (const [failing, status] of [
    ['/.well-known/openid-configuration', 503],
    ['/mtls/token', 302],
  ] as const) {
    bank.instead = ({ path }, response) => {
      if (path !== failing) return false;
      response.writeHead(status, { location: `${bank.origin}/elsewhere` }).end();
      return true;
    };
    await assert.rejects(bank.client.token(), { kind: 'refused', status });
  }
  assert.ok(bank.seen.every(({ path }) => path !== '/elsewhere'));
});

test('a discovery document of another issuer is untrusted', async (t) => {
  const bank = await startBank(t);
  bank.instead = (_seen, response) => {
    sendJson(response, { issuer: 'https://evil.example', token_endpoint: `${bank.origin}/mtls/token` });
    return true;
  };
  await assert.rejects(bank.client.token(), { kind: 'untrusted' });
  assert.equal(bank.tokenRequests.length, 0);
});

const TOKEN_ANSWERS: readonly { name: string; answer: Record<string, unknown> }[] = [
  { name: 'of another type', answer: { token_type: 'DPoP' } },
  { name: 'of an unknown type', answer: { token_type: 'mac' } },
  { name: 'without a type', answer: { access_token: 'hidden-secret' } },
  { name: 'that would break a header', answer: { token_type: 'Bearer', access_token: 'a\r\nhidden-secret: b' } },
  { name: 'with a scope that is no text', answer: { token_type: 'Bearer', access_token: 'hidden-secret', scope: 7 } },
];

for (const { name, answer } of TOKEN_ANSWERS) {
  test(`a token ${name} is untrusted, and the error does not show it`, async (t) => {
    const bank = await startBank(t);
    bank.token.answer = answer;
    await assert.rejects(bank.client.token(), (error: BankError) => {
      assert.equal(error.kind, 'untrusted');
      assert.doesNotMatch(inspect(error, { depth: 10 }), /hidden-secret|token-1/);
      return true;
    });
  });
}

test('an authorisation server that cannot be reached is unreachable', async (t) => {
  const bank = await startBank(t, { issuer: 'https://127.0.0.1:1' });
  await assert.rejects(bank.client.token(), (error) => error instanceof BankError && error.kind === 'unreachable');
});

test('with private_key_jwt each token request has an assertion of its own, signed with PS256', async (t) => {
  const tpp = await makeParticipant('tpp', 'assertion-key');
  const clientAuthentication = { method: 'private_key_jwt', keyPem: tpp.keyPem, kid: 'assertion-key' } as const;
  const bank = await startBank(t, { clientAuthentication });
  await bank.client.token();
  bank.nowMs = NOW_MS + 300_000;
  await bank.client.token();
  const jtis = bank.tokenRequests.map((request) => {
    assert.equal(request.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
    const [header = '', payload = '', signature = ''] = (request.get('client_assertion') ?? '').split('.');
    assert.deepEqual(parsed(header), { alg: 'PS256', kid: 'assertion-key' });
    const { iss, sub, aud, iat, exp, jti } = parsed(payload);
    assert.deepEqual([iss, sub, aud], ['tpp-client-1', 'tpp-client-1', bank.origin]);
    assert.ok(Number(exp) - Number(iat) <= 60);
    const key = {
      key: createPublicKey({ key: tpp.jwk, format: 'jwk' }),
      padding: RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    };
    assert.ok(verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url')));
    return jti;
  });
  assert.equal(new Set(jtis).size, 2);
  const audience = `${bank.origin}/mtls/token`;
  const older = await startBank(t, { clientAuthentication: { ...clientAuthentication, audience } });
  await older.client.token();
  const assertion = older.tokenRequests[0]?.get('client_assertion') ?? '';
  assert.equal(parsed(assertion.split('.')[1] ?? '')['aud'], audience);
});

test('a key that cannot sign with PS256 is refused at once, without showing it', async (t) => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  for (const keyPem of [privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 'no PEM']) {
    const clientAuthentication = { method: 'private_key_jwt', keyPem, kid: 'kid' } as const;
    await assert.rejects(startBank(t, { clientAuthentication }), {
      name: 'TypeError',
      message: 'clientAuthentication.keyPem must be an unencrypted RSA private key in PEM, of 2048 bits or more',
    });
  }
});

function parsed(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString());
}
