import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { importSigningKeys, JwksError } from '../src/index.ts';
import { utf8 } from './support/bytes.ts';
import { compact, expecting, FORMS, header, pss } from './support/forge.ts';
import { stranger, tpp } from './support/parties.ts';
import { refusesJws } from './support/refusals.ts';

const BODY = utf8('{}');

/** Imports the TPP's key with members changed; a member given as undefined is left out. */
function importChanged(changes: Record<string, unknown>): ReturnType<typeof importSigningKeys> {
  const jwk = Object.fromEntries(Object.entries({ ...tpp.jwk, ...changes }).filter(([, value]) => value !== undefined));
  return importSigningKeys({ keys: [jwk] });
}

/** Checks that the key is left out with a reason, and that its signatures are refused for their kid. */
async function leavesOut(changes: Record<string, unknown>, reason: RegExp): Promise<void> {
  const keys = await importChanged(changes);
  assert.deepEqual(keys.kids, []);
  assert.equal(keys.leftOut.length, 1);
  assert.match(keys.leftOut[0]?.reason ?? '', reason);
  assert.equal(await keys.keyFor(tpp.identity.kid), undefined);
  for (const form of FORMS) {
    const jws = form.forge(header(), BODY);
    await refusesJws(form.verify(jws, BODY, expecting({ keys })), 'SignatureInvalidClaim', 'kid');
  }
}

describe('a signing key of the TPP is imported', () => {
  test('and verifies what it signed', async () => {
    const keys = await importChanged({});
    assert.deepEqual([keys.kids, keys.leftOut], [[tpp.identity.kid], []]);
    await compact.verify(compact.forge(header(), BODY), BODY, expecting({ keys }));
  });

  const changes: readonly Record<string, unknown>[] = [
    { alg: undefined },
    { key_ops: ['verify'] },
    { key_ops: ['sign', 'verify'] },
    { x5u: 'https://stranger.example/', x5c: ['MIIB'], x5t: 'AAAA', 'x5t#S256': 'AAAA', exp: 1 },
    { d: 'AAAA', p: 'AAAA' },
    { ext: false },
  ];
  for (const change of changes) {
    test(`with ${JSON.stringify(change)}`, async () => {
      const keys = await importChanged(change);
      await compact.verify(compact.forge(header(), BODY), BODY, expecting({ keys }));
    });
  }

  test('a private key supplied by mistake is imported as a public one', async () => {
    const keys = await importSigningKeys({ keys: [{ ...tpp.privateKey.export({ format: 'jwk' }), ...tpp.jwk }] });
    const key = await keys.keyFor(tpp.identity.kid);
    assert.equal(key?.cryptoKey.type, 'public');
  });

  test('an RSA key of 2048 bits or more', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2049 });
    assert.deepEqual((await importChanged({ ...publicKey.export({ format: 'jwk' }) })).kids, [tpp.identity.kid]);
  });
});

describe('the verifier refuses keys under 2048 bits', () => {
  for (const modulusLength of [1024, 2040, 2047]) {
    test(`an RSA key of ${modulusLength} bits`, async () => {
      const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
      const jwk = publicKey.export({ format: 'jwk' });
      await leavesOut(jwk, /2048/);
      const keys = await importChanged(jwk);
      const token = compact.forge(header(), BODY, pss(32, privateKey));
      await refusesJws(compact.verify(token, BODY, expecting({ keys })), 'SignatureInvalidClaim', 'kid');
    });
  }

  test('a short modulus made long with zeros', async () => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    const modulus = Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url');
    await leavesOut({ n: Buffer.concat([Buffer.alloc(128), modulus]).toString('base64url') }, /2048/);
  });
});

describe('the verifier refuses keys with `use` other than `sig`', () => {
  for (const use of ['enc', 'tls', 'SIG', '', null, ['sig'], undefined]) {
    test(`use ${use === undefined ? 'absent' : JSON.stringify(use)}`, () => leavesOut({ use }, /use/));
  }

  test('the signing key of a JWKS with signing and transport keys is found', async () => {
    const transport = { ...stranger.jwk, use: 'tls' };
    const keys = await importSigningKeys({ keys: [transport, { ...transport, kid: 'enc-1', use: 'enc' }, tpp.jwk] });
    assert.deepEqual(keys.kids, [tpp.identity.kid]);
    assert.deepEqual(
      keys.leftOut.map(({ kid }) => kid),
      [stranger.identity.kid, 'enc-1'],
    );
  });
});

describe('a key that is not one for PS256 is left out', () => {
  const { publicKey: ec } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cases: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
    ['alg RS256', { alg: 'RS256' }, /alg/],
    ['alg PS384', { alg: 'PS384' }, /alg/],
    ['alg RSA-OAEP', { alg: 'RSA-OAEP' }, /alg/],
    ['alg null', { alg: null }, /alg/],
    ['key_ops without verify', { key_ops: ['encrypt'] }, /key_ops/],
    ['key_ops that are no array', { key_ops: 'verify' }, /key_ops/],
    ['an elliptic curve key', { ...ec.export({ format: 'jwk' }), n: undefined, e: undefined }, /RSA/],
    ['an elliptic curve key with the numbers of an RSA key', { kty: 'EC' }, /RSA/],
    ['a symmetric key', { kty: 'oct', k: 'AAAA' }, /RSA/],
    ['a key without kty', { kty: undefined }, /RSA/],
    ['a key without n', { n: undefined }, /RSA/],
    ['a key without e', { e: undefined }, /RSA/],
    ['a key with a number for n', { n: 5 }, /RSA/],
    ['a key whose n is no base64url', { n: '!!!' }, /bits|RSA/],
    ['a key whose n is not ASCII', { n: 'é\ud800' }, /bits|RSA/],
  ];
  for (const [name, changes, reason] of cases) test(name, () => leavesOut(changes, reason));

  for (const [e, value] of [
    ['AQ', 1],
    ['AAAB', 1],
    ['Ag', 2],
    ['AQAA', 65_536],
    ['AA', 0],
    ['', 0],
  ] as const) {
    test(`a public exponent of ${value} (${JSON.stringify(e)}), with which no RSA key is made`, async () => {
      await leavesOut({ e }, /RSA/);
    });
  }

  for (const kid of [undefined, '', null, 5, ['x']]) {
    test(`a kid that is ${kid === undefined ? 'absent' : JSON.stringify(kid)}`, async () => {
      const keys = await importChanged({ kid });
      assert.deepEqual(keys.kids, []);
      assert.match(keys.leftOut[0]?.reason ?? '', /kid/);
    });
  }

  test('of keys that share a kid none is used', async () => {
    const keys = await importSigningKeys({ keys: [tpp.jwk, { ...stranger.jwk, kid: tpp.identity.kid }] });
    assert.deepEqual(keys.kids, []);
    assert.deepEqual(
      keys.leftOut.map(({ reason }) => reason),
      ['its kid occurs more than once', 'its kid occurs more than once'],
    );
  });
});

describe('the verifier refuses keys that make verifying expensive', () => {
  const numberOf = (bits: number) =>
    Buffer.from(((1n << BigInt(bits)) - 1n).toString(16).padStart(2 * Math.ceil(bits / 8), '0'), 'hex');

  for (const [bits, isUsed] of [
    [8192, true],
    [8193, false],
    [16_384, false],
    [800_000, false],
    [1_400_000, false],
  ] as const) {
    test(`a modulus of ${bits} bits is ${isUsed ? 'used' : 'left out'}`, async () => {
      const n = numberOf(bits).toString('base64url');
      if (!isUsed) return await leavesOut({ n }, /over 8192 bits/);
      assert.deepEqual((await importChanged({ n })).kids, [tpp.identity.kid]);
    });
  }

  for (const [bits, isUsed] of [
    [17, true],
    [32, true],
    [33, false],
    [64, false],
    [2047, false],
  ] as const) {
    test(`an exponent of ${bits} bits is ${isUsed ? 'used' : 'left out'}`, async () => {
      const e = numberOf(bits).toString('base64url');
      if (!isUsed) return await leavesOut({ e }, /exponent has over 32 bits/);
      assert.deepEqual((await importChanged({ e })).kids, [tpp.identity.kid]);
    });
  }

  test('an exponent that is short but begins with zeros is measured without them', async () => {
    const e = Buffer.concat([Buffer.alloc(8), numberOf(17)]).toString('base64url');
    assert.deepEqual((await importChanged({ e })).kids, [tpp.identity.kid]);
  });
});

describe('a value that is not a JWKS is rejected with a JwksError', () => {
  for (const value of [null, undefined, [], 5, 'x', {}, { keys: null }, { keys: {} }, { keys: 'x' }, tpp.jwk]) {
    test(`${JSON.stringify(value)?.slice(0, 40)}`, async () => {
      await assert.rejects(importSigningKeys(value), JwksError);
    });
  }

  test('a JWKS of 101 keys, where one of 100 is imported', async () => {
    const many = Array.from({ length: 101 }, () => ({}));
    await assert.rejects(importSigningKeys({ keys: many }), JwksError);
    assert.equal((await importSigningKeys({ keys: many.slice(1) })).leftOut.length, 100);
  });

  test('any JSON comes to a key set or a JwksError', async () => {
    const members = fc.dictionary(fc.constantFrom('kid', 'kty', 'use', 'alg', 'n', 'e', 'key_ops'), fc.jsonValue());
    const keys = fc.array(
      fc.oneof(
        fc.jsonValue(),
        members,
        members.map((changes) => ({ ...tpp.jwk, ...changes })),
      ),
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.record({ keys })), async (value) => {
        try {
          const imported = await importSigningKeys(value);
          for (const kid of imported.kids) assert.ok(await imported.keyFor(kid));
        } catch (error) {
          assert.ok(error instanceof JwksError, String(error));
        }
      }),
      { numRuns: 300 },
    );
  });
});
