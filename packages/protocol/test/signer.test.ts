import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { createSigner, SigningKeyError } from '../src/index.ts';
import { utf8 } from './support/bytes.ts';
import { tpp } from './support/parties.ts';

const bytesOf = (number: bigint): string => {
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
};
const primeOf = (member: 'p' | 'q'): bigint =>
  BigInt(`0x${Buffer.from(tpp.privateKey.export({ format: 'jwk' })[member] ?? '', 'base64url').toString('hex')}`);

/** A key of these factors and this exponent; whether they are primes, and what it could sign, nobody asks of it. */
function privateKeyOf(p: bigint, q: bigint, e: bigint): KeyObject {
  const [n, d, dp, dq, qi] = [p * q, 65_539n, 65_539n, 65_539n, 65_539n].map(bytesOf);
  const key = { kty: 'RSA', n, e: bytesOf(e), d, p: bytesOf(p), q: bytesOf(q), dp, dq, qi };
  return createPrivateKey({ key: JSON.parse(JSON.stringify(key)), format: 'jwk' });
}

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

describe('a signer', () => {
  test('has the identity of the signer, and no readable private key', async () => {
    const signer = await createSigner(tpp.identity, pkcs8(tpp.privateKey));
    assert.deepEqual({ kid: signer.kid, iss: signer.iss, tan: signer.tan }, tpp.identity);
    assert.deepEqual(Object.keys(signer).sort(), ['iss', 'kid', 'sign', 'tan']);
  });

  test('gives a new signature each time, because the salt is random', async () => {
    const input = utf8('a.b');
    const [one, other] = await Promise.all([tpp.signer.sign(input), tpp.signer.sign(input)]);
    assert.equal(one.length, 256);
    assert.notDeepEqual(one, other);
  });

  const rsa = tpp.privateKey;
  const refused: Record<string, string> = {
    nothing: '',
    'what is no PEM': 'not a key',
    'a PEM that is cut': pkcs8(rsa).slice(0, 500),
    'a PEM with nothing in it': '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n',
    'a PKCS #1 key': rsa.export({ type: 'pkcs1', format: 'pem' }).toString(),
    'an encrypted key': rsa.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }).toString(),
    'a public key': generateKeyPairSync('rsa', { modulusLength: 2048 })
      .publicKey.export({ type: 'spki', format: 'pem' })
      .toString(),
    'an elliptic curve key': pkcs8(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey),
    'an Ed25519 key': pkcs8(generateKeyPairSync('ed25519').privateKey),
    'an RSA key of 1024 bits': pkcs8(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey),
    'an RSA key of 2047 bits': pkcs8(generateKeyPairSync('rsa', { modulusLength: 2047 }).privateKey),
    'an RSA key of over 8192 bits': pkcs8(privateKeyOf((1n << 4100n) - 1n, (1n << 4100n) - 3n, 65_537n)),
    'an RSA key with an exponent of over 32 bits': pkcs8(privateKeyOf(primeOf('p'), primeOf('q'), (1n << 33n) + 1n)),
  };
  for (const [what, pem] of Object.entries(refused)) {
    test(`is not made of ${what}, and the message does not tell the key`, async () => {
      await assert.rejects(createSigner(tpp.identity, pem), (error) => {
        assert.ok(error instanceof SigningKeyError, String(error));
        assert.ok(error.message.length < 200);
        const [, line = ''] = pem.split('\n');
        assert.ok(line.length < 20 || !error.message.includes(line));
        return true;
      });
    });
  }
});
