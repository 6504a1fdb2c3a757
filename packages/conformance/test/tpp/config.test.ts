import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSigningKey } from '@tidings/testing';
import { ConfigError } from '../../src/config-file.ts';
import { readTppConfig } from '../../src/tpp/config.ts';

const good = {
  name: 'Example TPP',
  callbackUrl: 'https://tpp.example/open-banking/v4.0/event-notifications',
  clientId: 'tpp-1',
  bank: { issuer: 'https://bank.example/', organisationId: 'org-1' },
  signing: { jwks: { port: 0 } },
};

const read = (value: unknown, readFile: (path: string) => string = () => 'nothing') =>
  readTppConfig({ value, readFile });

function refusal(changes: object): string {
  try {
    read({ ...good, ...changes });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'it was accepted';
}

test('a configuration has defaults for all but what names the TPP and the bank', () => {
  const config = read(good);
  assert.equal(config.bank.trustAnchor, 'openbanking.org.uk');
  assert.equal(config.bank.resourceUrl, 'https://bank.example/open-banking');
  assert.deepEqual(config.timing, { answerMs: 10_000, slowBodyMs: 3000, quietMs: 2000, keyRefreshMs: 60_000 });
  assert.deepEqual(config.tls, { ca: undefined, cert: undefined, key: undefined });
  assert.equal(config.signing.jwks?.host, '127.0.0.1');
});

test('a signing key of the bank is read with its kid', () => {
  const { keyPem } = makeSigningKey('bank-1');
  const config = read({ ...good, signing: { keyFile: 'bank.key', kid: 'bank-1' } }, () => keyPem);
  assert.equal(config.signing.kid, 'bank-1');
  assert.equal(config.signing.key?.asymmetricKeyType, 'rsa');
});

test('a mistake is an error that names the field and the remedy', () => {
  const { name: _, ...nameless } = good;
  assert.throws(() => read(nameless), /^ConfigError: name is missing; add it\.$/);
  assert.equal(
    refusal({ callbackurl: 'x' }),
    'callbackurl is not expected: there is no such setting; remove it, or correct its name.',
  );
  assert.match(refusal({ callbackUrl: 'http://tpp.example/' }), /^callbackUrl must start with https:\/\/\.$/);
  assert.match(refusal({ callbackUrl: 'https://user@tpp.example/' }), /^callbackUrl must have no user/);
  assert.match(refusal({ signing: {} }), /^signing needs keyFile, .* or jwks, /);
  assert.match(refusal({ signing: { keyFile: 'k' } }), /^signing\.kid is missing; add the kid/);
  assert.match(
    refusal({ signing: { keyFile: 'k', kid: 'x' } }),
    /^signing\.keyFile is not an RSA private key in PEM; convert/,
  );
  assert.match(
    refusal({ signing: { jwks: { port: 1, host: 'tpp.example' } } }),
    /^signing\.jwks\.host must be an address/,
  );
  assert.match(refusal({ tls: { keyFile: 'k' } }), /^tls\.certificateFile is missing; add the certificate of keyFile/);
  assert.match(refusal({ timing: { answerMs: 1 } }), /^timing\.answerMs must be >= 100/);
});
