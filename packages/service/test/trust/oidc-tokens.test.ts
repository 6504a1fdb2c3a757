import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { JWTPayload } from 'jose';
import type { OidcOptions } from '../../src/trust/oidc-tokens.ts';
import { OIDC_CLAIMS, oidcToken, oidcVerifying, type ProviderKey, providerKey } from '../support/oidc.ts';
import { NOW_MS } from '../support/trust-clock.ts';

const NOW_SECONDS = NOW_MS / 1000;
const SKEW_SECONDS = 10;
const rs256 = providerKey('rs', 'RS256');
const ps256 = providerKey('ps', 'PS256');
const es256 = providerKey('es', 'ES256');
const KEYS = [rs256, ps256, es256];

/** What a token comes to, in one line. */
async function checked(
  t: TestContext,
  token: string,
  changed: Partial<OidcOptions> = {},
  keys = KEYS,
): Promise<string> {
  const { verifier } = await oidcVerifying(t, keys, changed);
  const check = await verifier.verify(token);
  return check.kind === 'valid' ? `${check.name}: ${check.roles.join(' ')}` : `${check.kind}: ${check.reason}`;
}

const without = (...names: string[]): JWTPayload =>
  Object.fromEntries(Object.entries(OIDC_CLAIMS).filter(([name]) => !names.includes(name)));

for (const key of KEYS) {
  test(`a token that the provider signed with ${key.alg} is good`, async (t) => {
    assert.equal(await checked(t, await oidcToken(key)), 'f3b1: viewer');
  });
}

test('a key without alg verifies both algorithms of its kind, and no other', async (t) => {
  const { alg: _, ...jwk } = rs256.jwk;
  const open = [{ ...rs256, jwk }];
  for (const alg of ['RS256', 'PS256']) {
    assert.equal(await checked(t, await oidcToken({ ...rs256, alg }), {}, open), 'f3b1: viewer');
  }
  assert.equal(
    await checked(t, await oidcToken({ ...rs256, alg: 'RS512' }), {}, open),
    'refused: alg must be RS256 or PS256.',
  );
});

test('a token is refused whose algorithm is not the one of its key', async (t) => {
  const refused = 'refused: alg must be PS256.';
  assert.equal(await checked(t, await oidcToken({ ...ps256, alg: 'RS256' })), refused);
});

test('a token that nobody signed, or that is signed with the public key as a secret, is refused', async (t) => {
  const [, payload] = (await oidcToken(rs256)).split('.');
  const header = (alg: string) => Buffer.from(JSON.stringify({ alg, kid: 'rs', typ: 'at+jwt' })).toString('base64url');
  for (const alg of ['none', 'None', 'NONE']) {
    assert.match(await checked(t, `${header(alg)}.${payload}.`), /^refused: /);
    assert.match(await checked(t, `${header(alg)}.${payload}.AAAA`), /^refused: /);
  }
  const signed = `${header('HS256')}.${payload}`;
  const mac = createHmac('sha256', String(rs256.jwk['n'])).update(signed).digest('base64url');
  assert.equal(await checked(t, `${signed}.${mac}`), 'refused: alg must be RS256.');
});

test('a token of somebody else, or that was changed, is refused', async (t) => {
  const other = providerKey('rs', 'RS256');
  assert.equal(await checked(t, await oidcToken(other)), 'refused: The signature does not verify.');
  const stranger = providerKey('stranger', 'RS256');
  assert.equal(await checked(t, await oidcToken(stranger)), 'refused: kid names no signing key of the issuer.');
  const [header, , signature] = (await oidcToken(rs256)).split('.');
  const claims = Buffer.from(JSON.stringify({ ...OIDC_CLAIMS, roles: ['notify-admin'] })).toString('base64url');
  assert.equal(await checked(t, `${header}.${claims}.${signature}`), 'refused: The signature does not verify.');
});

const UNFIT: readonly (readonly [string, ProviderKey])[] = [
  ['is for encryption', { ...rs256, jwk: { ...rs256.jwk, use: 'enc' } }],
  ['is too short', { ...rs256, jwk: { ...providerKey('rs', 'RS256', 1024).jwk } }],
  ['is for another algorithm', { ...providerKey('rs', 'RS512'), alg: 'RS256' }],
  ['has an exponent of 1', { ...rs256, jwk: { ...rs256.jwk, e: 'AQ' } }],
  ['has an exponent of 40 bits', { ...rs256, jwk: { ...rs256.jwk, e: Buffer.alloc(5, 0xff).toString('base64url') } }],
  ['is too long', { ...rs256, jwk: { ...rs256.jwk, n: Buffer.alloc(1025, 0xff).toString('base64url') } }],
  ['is enormous', { ...rs256, jwk: { ...rs256.jwk, n: Buffer.alloc(150_000, 0xff).toString('base64url') } }],
  ['is on another curve', { ...es256, jwk: { ...es256.jwk, crv: 'P-384' } }],
];

for (const [what, key] of UNFIT) {
  test(`a key of the provider that ${what} verifies nothing`, async (t) => {
    assert.match(await checked(t, await oidcToken(key), {}, [key]), /^refused: kid names no signing key/);
  });
}

test('of keys that share a kid none is used', async (t) => {
  const twins = [rs256, { ...es256, jwk: { ...es256.jwk, kid: 'rs' } }];
  assert.match(await checked(t, await oidcToken(rs256), {}, twins), /^refused: kid names no signing key/);
});

const CLAIMS: readonly (readonly [string, JWTPayload, string])[] = [
  [
    'iss is another',
    { ...OIDC_CLAIMS, iss: 'https://id.bank.example/realms/customers' },
    'iss is not what it must be.',
  ],
  ['iss is absent', without('iss'), 'iss is missing.'],
  ['aud is another', { ...OIDC_CLAIMS, aud: ['intranet', 'account'] }, 'aud is not what it must be.'],
  ['aud is absent', without('aud'), 'aud is missing.'],
  ['exp is absent', without('exp'), 'exp is missing.'],
  ['exp is past', { ...OIDC_CLAIMS, exp: NOW_SECONDS - SKEW_SECONDS }, 'exp does not allow its use now.'],
  ['nbf lies ahead', { ...OIDC_CLAIMS, nbf: NOW_SECONDS + SKEW_SECONDS + 1 }, 'nbf does not allow its use now.'],
  ['sub is absent', without('sub'), 'It lacks sub, which names the caller.'],
  ['sub is empty', { ...OIDC_CLAIMS, sub: '' }, 'It lacks sub, which names the caller.'],
  ['sub would move the cursor', { ...OIDC_CLAIMS, sub: 'a\u001b[2Jb' }, 'It lacks sub, which names the caller.'],
  ...['nonce', 'at_hash', 'c_hash', 's_hash'].map(
    (claim) =>
      [
        `it is an ID token, by its ${claim},`,
        { ...OIDC_CLAIMS, [claim]: 'x' },
        `It is an ID token (${claim}), not an access token.`,
      ] as const,
  ),
  [
    'it is bound to a key',
    { ...OIDC_CLAIMS, cnf: { jkt: 'x' } },
    'It is bound to a key (cnf), which is not supported.',
  ],
];

for (const [what, claims, reason] of CLAIMS) {
  test(`a token is refused when ${what}`, async (t) => {
    assert.equal(await checked(t, await oidcToken(rs256, claims)), `refused: ${reason}`);
  });
}

test('exp that is past by less than the clock skew, and one audience of several, are good', async (t) => {
  const claims = { ...OIDC_CLAIMS, exp: NOW_SECONDS - SKEW_SECONDS + 1, aud: ['account', OIDC_CLAIMS.aud] };
  assert.equal(await checked(t, await oidcToken(rs256, claims)), 'f3b1: viewer');
});

test('typ is at+jwt, JWT or absent; what is another kind of token is refused', async (t) => {
  for (const typ of ['at+jwt', 'application/at+jwt', 'JWT', 'jwt', undefined]) {
    assert.equal(await checked(t, await oidcToken(rs256, OIDC_CLAIMS, { typ })), 'f3b1: viewer');
  }
  for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'at+jwt+x', '']) {
    const refused = 'refused: typ is that of another kind of token.';
    assert.equal(await checked(t, await oidcToken(rs256, OIDC_CLAIMS, { typ })), refused);
  }
});

test('where the type is required, typ is at+jwt and nothing else', async (t) => {
  const required = { isAccessTokenTypeRequired: true };
  for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT']) {
    assert.equal(await checked(t, await oidcToken(rs256, OIDC_CLAIMS, { typ }), required), 'f3b1: viewer');
  }
  for (const typ of ['JWT', 'jwt', undefined, '', 'logout+jwt']) {
    assert.match(await checked(t, await oidcToken(rs256, OIDC_CLAIMS, { typ }), required), /^refused: typ is /);
  }
});

for (const [rolesClaim, claims, roles] of [
  ['roles', { roles: ['notify-operator', 'notify-viewer', 'other'] }, 'viewer operator'],
  ['roles', { roles: 'staff notify-admin' }, 'viewer administrator'],
  ['roles', { roles: ['other'] }, ''],
  ['roles', { roles: [] }, ''],
  ['roles', { roles: undefined }, ''],
  ['roles', { roles: { staff: true } }, ''],
  ['roles', { roles: [['staff'], 7, null] }, ''],
  ['roles', { roles: ['STAFF', 'staff ', 'staff-x'] }, ''],
  ['realm_access.roles', { realm_access: { roles: ['notify-admin'] }, roles: ['staff'] }, 'administrator'],
  ['realm_access.roles', { realm_access: 'roles' }, ''],
  ['https://bank.example/roles', { 'https://bank.example/roles': ['staff'] }, 'viewer'],
  ['constructor.name', { roles: ['staff'] }, ''],
] as const) {
  test(`of ${JSON.stringify(claims)} the claim ${rolesClaim} gives the roles "${roles}"`, async (t) => {
    const token = await oidcToken(rs256, { ...without('roles'), ...claims });
    assert.equal(await checked(t, token, { rolesClaim }), `f3b1: ${roles}`);
  });
}

test('the caller is called what the configured claim says', async (t) => {
  assert.equal(await checked(t, await oidcToken(rs256), { nameClaim: 'preferred_username' }), 'alice: viewer');
});

test('what is no JWT is refused, and asks nobody', async (t) => {
  const { verifier, server } = await oidcVerifying(t, KEYS);
  const token = await oidcToken(rs256);
  for (const wrong of ['', 'x', 'a.b', 'a.b.c', `${token}.x`, `${token}=`, 'a'.repeat(16_385)]) {
    assert.equal((await verifier.verify(wrong)).kind, 'refused');
  }
  assert.equal(server.seen.length, 0);
});

test('a key that the provider changes to is found, and while none was ever had tokens are unavailable', async (t) => {
  const { verifier, server, clock, failures } = await oidcVerifying(t, [rs256]);
  server.answer = { ...server.answer, status: 500 };
  const down = await verifier.verify(await oidcToken(rs256));
  assert.equal(down.kind, 'unavailable');
  assert.equal(failures.length, 1);
  clock.advance(10_000);
  server.answer = { status: 200, body: JSON.stringify({ keys: [rs256.jwk] }) };
  assert.equal((await verifier.verify(await oidcToken(rs256))).kind, 'valid');
  server.answer = { status: 200, body: JSON.stringify({ keys: [es256.jwk] }) };
  clock.advance(10_000);
  assert.equal((await verifier.verify(await oidcToken(es256))).kind, 'valid');
  assert.equal((await verifier.verify(await oidcToken(rs256))).kind, 'refused');
});

test('a key that the provider removed verifies nothing at its age, nor any key at the hard age', async (t) => {
  const { verifier, server, clock } = await oidcVerifying(t, [rs256]);
  const token = await oidcToken(rs256, { ...OIDC_CLAIMS, exp: NOW_SECONDS + 86_400 });
  assert.equal((await verifier.verify(token)).kind, 'valid');
  const good = server.answer;
  server.answer = { status: 200, body: JSON.stringify({ keys: [es256.jwk] }) };
  clock.advance(600_000);
  assert.equal((await verifier.verify(token)).kind, 'refused');
  server.answer = good;
  clock.advance(600_000);
  assert.equal((await verifier.verify(token)).kind, 'valid');
  server.answer = { status: 503, body: '' };
  clock.advance(3_599_999);
  assert.equal((await verifier.verify(token)).kind, 'valid');
  clock.advance(1);
  assert.equal((await verifier.verify(token)).kind, 'unavailable');
});
