import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importSigningKeys } from '@tidings/protocol';
import { jwtOf, makeSigningKey, signCompact } from '@tidings/testing';
import {
  ASSERTION_AGE_MAX_SECONDS,
  createSoftwareStatementVerifier,
  SoftwareStatementError,
  type SoftwareStatementVerifier,
} from '../../src/trust/software-statement.ts';
import { heldClock, NOW_MS } from '../support/trust-clock.ts';

const ISSUER = 'OpenBanking Ltd';
const NOW_SECONDS = NOW_MS / 1000;
const SKEW_SECONDS = 10;
const directory = makeSigningKey('directory');
const stranger = makeSigningKey('stranger');

const CLAIMS = {
  iss: ISSUER,
  iat: NOW_SECONDS - 60,
  jti: 'a',
  org_id: '0015800001ZEZ3WAAX',
  org_status: 'Active',
  software_id: '5bXdQp7dWp0Abcdefg',
  software_client_id: 'other-client-id',
  software_client_name: 'Alpha',
  software_roles: ['AISP', 'PISP'],
  software_jwks_endpoint: 'https://keystore.example/5bX/alpha.jwks?x=1',
  software_jwks_revoked_endpoint: 'https://keystore.example/revoked/alpha.jwks',
  org_jwks_endpoint: 'https://keystore.example/org.jwks',
};

async function verifier(jwks: readonly object[] = [directory.jwk]): Promise<SoftwareStatementVerifier> {
  const clock = heldClock();
  const keys = await importSigningKeys({ keys: jwks });
  return createSoftwareStatementVerifier({ issuer: ISSUER, keys, clockSkewSeconds: SKEW_SECONDS, clock });
}

async function verify(changed: object = {}) {
  return await (await verifier()).verify(jwtOf(directory, { ...CLAIMS, ...changed }, { typ: 'JWT' }));
}

test('a software statement of the directory gives ids and endpoints as they stand in it', async () => {
  assert.deepEqual(await verify(), {
    organisationId: '0015800001ZEZ3WAAX',
    softwareStatementId: '5bXdQp7dWp0Abcdefg',
    clientName: 'Alpha',
    roles: ['AISP', 'PISP'],
    jwksUrl: 'https://keystore.example/5bX/alpha.jwks?x=1',
    revokedJwksUrl: 'https://keystore.example/revoked/alpha.jwks',
    organisationJwksUrl: 'https://keystore.example/org.jwks',
    issuedAtMs: NOW_MS - 60_000,
  });
});

test('what a software statement may leave out stays out, and no endpoint is built', async () => {
  const statement = await verify({
    ...{ software_id: undefined, org_status: undefined, software_client_name: undefined, software_roles: undefined },
    ...{ software_jwks_revoked_endpoint: undefined, org_jwks_endpoint: undefined },
  });
  assert.equal(statement.softwareStatementId, 'other-client-id');
  assert.deepEqual(
    [statement.clientName, statement.roles, statement.revokedJwksUrl, statement.organisationJwksUrl],
    [undefined, [], undefined, undefined],
  );
});

const BAD_CLAIMS: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
  ['iss', { iss: 'Somebody Ltd' }],
  ['iss', { iss: undefined }],
  ['iat', { iat: undefined }],
  ['iat', { iat: NOW_SECONDS + SKEW_SECONDS + 1 }],
  ['iat', { iat: NOW_SECONDS - ASSERTION_AGE_MAX_SECONDS - SKEW_SECONDS - 1 }],
  ['iat', { iat: '2026-11-21' }],
  ['exp', { exp: NOW_SECONDS - 60 }],
  ['org_status', { org_status: 'Revoked' }],
  ['org_id', { org_id: undefined }],
  ['org_id', { org_id: '' }],
  ['org_id', { org_id: 'a/b' }],
  ['org_id', { org_id: 'a b' }],
  ['org_id', { org_id: 7 }],
  ['org_id', { org_id: 'x'.repeat(129) }],
  ['software_client_id', { software_id: undefined, software_client_id: undefined }],
  ['software_id', { software_id: 'a/b' }],
  ['software_id', { software_id: null }],
  ['software_client_name', { software_client_name: 7 }],
  ['software_roles', { software_roles: 'AISP' }],
  ['software_roles', { software_roles: [7] }],
  ['software_jwks_endpoint', { software_jwks_endpoint: undefined }],
  ['software_jwks_endpoint', { software_jwks_endpoint: 'http://keystore.example/a' }],
  ['software_jwks_endpoint', { software_jwks_endpoint: 'https://user:secret@keystore.example/a' }],
  ['software_jwks_endpoint', { software_jwks_endpoint: 'keystore.example/a' }],
  ['software_jwks_endpoint', { software_jwks_endpoint: ['https://keystore.example/a'] }],
  ['software_jwks_endpoint', { software_jwks_endpoint: `https://keystore.example/${'x'.repeat(2048)}` }],
  ['software_jwks_revoked_endpoint', { software_jwks_revoked_endpoint: 'file:///etc/passwd' }],
  ['org_jwks_endpoint', { org_jwks_endpoint: 'javascript:alert(1)' }],
];

for (const [claim, changed] of BAD_CLAIMS) {
  test(`a software statement is refused, naming ${claim}, with ${JSON.stringify(changed).slice(0, 100)}`, async () => {
    await assert.rejects(verify(changed), (error) => {
      assert.ok(error instanceof SoftwareStatementError, String(error));
      assert.equal(error.claim, claim);
      assert.ok(error.code === 'claim-invalid' || claim === 'iat');
      return true;
    });
  });
}

test('a software statement may be a day old, and a little from the future, as clocks differ', async () => {
  await verify({ iat: NOW_SECONDS - ASSERTION_AGE_MAX_SECONDS });
  await verify({ iat: NOW_SECONDS + SKEW_SECONDS });
});

test('a software statement signed by nobody of the directory is refused', async () => {
  const { verify: verifyOne } = await verifier();
  await assert.rejects(verifyOne(jwtOf(stranger, CLAIMS)), { code: 'key-unknown', claim: 'kid' });
  const forged = jwtOf({ ...stranger, kid: 'directory' }, CLAIMS);
  await assert.rejects(verifyOne(forged), { code: 'signature-invalid', claim: undefined });
});

test('a key of the directory that is not for signing verifies no software statement', async () => {
  const { verify: verifyOne } = await verifier([{ ...directory.jwk, use: 'tls' }]);
  await assert.rejects(verifyOne(jwtOf(directory, CLAIMS)), { code: 'key-unknown' });
});

const PLAIN = '{"alg":"PS256","kid":"directory"}';
const BAD_TEXTS: readonly (readonly [string, string, string])[] = [
  ['alg is RS256', '{"alg":"RS256","kid":"directory"}', JSON.stringify(CLAIMS)],
  ['alg is none', '{"alg":"none","kid":"directory"}', JSON.stringify(CLAIMS)],
  ['the header has a member twice', '{"alg":"PS256","kid":"x","kid":"directory"}', JSON.stringify(CLAIMS)],
  ['the header has a crit', '{"alg":"PS256","kid":"directory","crit":["x"],"x":1}', JSON.stringify(CLAIMS)],
  ['a claim stands twice', PLAIN, JSON.stringify(CLAIMS).replace('{', '{"org_id":"x",')],
  ['a claim stands twice, once escaped', PLAIN, JSON.stringify(CLAIMS).replace('{', '{"org\\u005fid":"x",')],
  ['the payload is no object', PLAIN, '["OpenBanking Ltd"]'],
];

for (const [name, header, payload] of BAD_TEXTS) {
  test(`a software statement is refused when ${name}`, async () => {
    const { verify: verifyOne } = await verifier();
    await assert.rejects(verifyOne(signCompact(header, payload, directory.privateKey)), SoftwareStatementError);
  });
}

test('what is no JWT, or is too long, is malformed', async () => {
  const { verify: verifyOne } = await verifier();
  const token = jwtOf(directory, CLAIMS);
  for (const text of ['', 'x', 'a.b.c', `${token}.x`, `${token}=`, ` ${token}`, 'x'.repeat(65_537)]) {
    await assert.rejects(verifyOne(text), { name: 'SoftwareStatementError', code: 'malformed' });
  }
});

test('a software statement that is too long is malformed, although all else is good', async () => {
  await assert.rejects(verify({ x: 'x'.repeat(50_000) }), { code: 'malformed', message: /at most 65536/ });
});
