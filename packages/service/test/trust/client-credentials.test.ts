import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { jwtOf, makeSigningKey, startRecordingServer, testPki } from '@tidings/testing';
import { type AccessTokenVerifierOptions, createAccessTokenVerifier } from '../../src/trust/access-tokens.ts';
import { heldClock, NOW_MS } from '../support/trust-clock.ts';

// How authorisation servers in use mark the client credentials grant; the settings are those of docs/tokens-and-keys.md.

const key = makeSigningKey('as-1');
const THUMBPRINT = 'A'.repeat(43);
const ISSUER = 'https://as.example';
const AUDIENCE = 'https://bank.example/events';
const CLAIMS = {
  ...{ iss: ISSUER, aud: AUDIENCE, client_id: 'Tpp.A', scope: 'accounts' },
  ...{ iat: NOW_MS / 1000 - 10, exp: NOW_MS / 1000 + 300, cnf: { 'x5t#S256': THUMBPRINT } },
};
const UUID = '1f6c6a3e-8a54-4d4e-9d3a-0a3f7c0b8f11';

type Mark = AccessTokenVerifierOptions['clientCredentials'];

/** What a JWT with these claims comes to, and what an opaque token of which introspection tells them does. */
async function kindsOf(t: TestContext, mark: Mark, claims: object, inIntrospection = claims): Promise<string[]> {
  const server = await startRecordingServer(t, { keys: [key.jwk] });
  const { caPem: ca } = await testPki();
  const settings = {
    ...{ issuer: ISSUER, audience: AUDIENCE, tls: { ca }, clock: heldClock() },
    ...{ clockSkewSeconds: 10, timeoutMs: 5000, clientCredentials: mark },
  };
  const jwts = createAccessTokenVerifier({ ...settings, jwksUrl: server.origin });
  const opaques = createAccessTokenVerifier({ ...settings, introspectionUrl: server.origin });
  t.after(() => Promise.all([jwts.close(), opaques.close()]));
  const jwt = await jwts.verify(jwtOf(key, { ...CLAIMS, ...claims }, { typ: 'at+jwt' }), THUMBPRINT);
  server.answer.body = JSON.stringify({ active: true, ...CLAIMS, ...inIntrospection });
  const opaque = await opaques.verify('opaque', THUMBPRINT);
  return [jwt, opaque].map((check) => (check.kind === 'refused' ? `${check.kind}: ${check.reason}` : check.kind));
}

const VALID = ['valid', 'valid'];
const NOT_OF_THE_GRANT = Array.from({ length: 2 }, () => 'refused: the token is not of the client credentials grant');

const SERVERS: readonly {
  readonly name: string;
  readonly mark: Mark;
  readonly ofTpp: object;
  readonly ofCustomer: object;
}[] = [
  {
    name: 'Keycloak',
    mark: { claim: 'preferred_username', value: 'service-account-{client_id:lower}' },
    ofTpp: { sub: UUID, preferred_username: 'service-account-tpp.a', username: 'service-account-tpp.a', azp: 'Tpp.A' },
    ofCustomer: { sub: UUID, preferred_username: 'alice', username: 'alice', azp: 'Tpp.A' },
  },
  {
    name: 'Keycloak, of which introspection tells username alone,',
    mark: { claim: 'username', value: 'service-account-{client_id:lower}' },
    ofTpp: { sub: UUID, username: 'service-account-tpp.a' },
    ofCustomer: { sub: UUID, username: 'service-account-tpp-b' },
  },
  {
    name: 'ForgeRock',
    mark: { claim: 'sub', value: '(age!{client_id})' },
    ofTpp: { sub: '(age!Tpp.A)', subname: 'Tpp.A', scope: ['accounts'], grant_type: 'client_credentials' },
    ofCustomer: { sub: '(usr!Tpp.A)', subname: 'Tpp.A', scope: ['accounts'], grant_type: 'authorization_code' },
  },
  {
    name: 'Auth0',
    mark: { claim: 'sub', value: '{client_id}@clients' },
    ofTpp: { sub: 'Tpp.A@clients', gty: 'client-credentials' },
    ofCustomer: { sub: 'auth0|5f7c8ec7c33c6c004bbafe82' },
  },
  {
    name: 'Auth0, by gty,',
    mark: { claim: 'gty', value: 'client-credentials' },
    ofTpp: { sub: 'Tpp.A@clients', gty: 'client-credentials' },
    ofCustomer: { sub: 'Tpp.A@clients', gty: 'password' },
  },
  {
    name: 'WSO2',
    mark: { claim: 'aut', value: 'APPLICATION' },
    ofTpp: { sub: 'admin@carbon.super', aut: 'APPLICATION', username: 'admin@carbon.super' },
    ofCustomer: { sub: 'alice@carbon.super', aut: 'APPLICATION_USER', username: 'alice@carbon.super' },
  },
  {
    name: 'a server with a pattern of its own',
    mark: { claim: 'act.sub', pattern: 'client:{client_id}(?:/v[0-9]+)?' },
    ofTpp: { sub: UUID, act: { sub: 'client:Tpp.A/v2' } },
    ofCustomer: { sub: UUID, act: { sub: 'client:TppxA' } },
  },
];

for (const { name, mark, ofTpp, ofCustomer } of SERVERS) {
  describe(`with the settings for ${name}`, () => {
    test('a token of the client credentials grant is good, as JWT and by introspection', async (t) => {
      assert.deepEqual(await kindsOf(t, mark, ofTpp), VALID);
    });

    test('a token that a customer stands behind is refused', async (t) => {
      assert.deepEqual(await kindsOf(t, mark, ofCustomer), NOT_OF_THE_GRANT);
    });

    test('both are refused while nothing is set', async (t) => {
      assert.deepEqual(await kindsOf(t, undefined, ofTpp), NOT_OF_THE_GRANT);
      assert.deepEqual(await kindsOf(t, undefined, { sub: UUID, ...ofCustomer }), NOT_OF_THE_GRANT);
    });
  });
}

test('the settings are those that the documentation gives', () => {
  const page = readFileSync(new URL('../../../../docs/tokens-and-keys.md', import.meta.url), 'utf8').replaceAll(
    ' ',
    '',
  );
  for (const { mark } of SERVERS) assert.ok(page.includes(JSON.stringify(mark)), JSON.stringify(mark));
});

describe('a mark', () => {
  const mark = { claim: 'sub', value: '{client_id}@clients' };

  for (const [what, sub] of [
    ['of another client', 'tpp-b@clients'],
    ['in another case', 'tpp.a@clients'],
    ['with something before it', 'x Tpp.A@clients'],
    ['with something after it', 'Tpp.A@clients\n'],
    ['that is empty', ''],
    ['that is the client_id alone', 'Tpp.A'],
  ] as const) {
    test(`${what} is refused`, async (t) => {
      assert.deepEqual(await kindsOf(t, mark, { sub }), NOT_OF_THE_GRANT);
    });
  }

  test('that is no text is refused', async (t) => {
    for (const gty of [['client-credentials'], true, 1, null, { value: 'client-credentials' }, undefined]) {
      const claims = { sub: UUID, gty };
      assert.deepEqual(await kindsOf(t, { claim: 'gty', value: 'client-credentials' }, claims), NOT_OF_THE_GRANT);
    }
  });

  test('that is a pattern is matched whole, and the client_id in it is no pattern', async (t) => {
    const pattern = { claim: 'sub', pattern: '{client_id}|service-[a-z]+' };
    for (const sub of ['Tpp.A', 'service-x']) assert.deepEqual(await kindsOf(t, pattern, { sub }), VALID);
    for (const sub of ['TppxA', 'service-x1', 'a service-x', 'Tpp.A2']) {
      assert.deepEqual(await kindsOf(t, pattern, { sub }), NOT_OF_THE_GRANT);
    }
  });

  test('that is very long is refused without being matched', async (t) => {
    const sub = 'a'.repeat(1025);
    assert.deepEqual(await kindsOf(t, { claim: 'sub', pattern: 'a+' }, { sub }), NOT_OF_THE_GRANT);
  });
});
