import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, test } from 'node:test';
import { createSigner, SigningKeyError } from '../src/index.ts';
import { utf8 } from './support/bytes.ts';
import { tpp } from './support/parties.ts';

const pkcs8 = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

describe('a signer', () => {
  test('says who signs, and holds no private key that can be read', async () => {
    const signer = await createSigner(tpp.identity, pkcs8(tpp.privateKey));
    assert.deepEqual({ kid: signer.kid, iss: signer.iss, tan: signer.tan }, tpp.identity);
    assert.deepEqual(Object.keys(signer).sort(), ['iss', 'kid', 'sign', 'tan']);
  });

  test('signs anew each time, since the salt is fresh', async () => {
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
