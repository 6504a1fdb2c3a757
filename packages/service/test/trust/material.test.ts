import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeSigningKey, testPki } from '@tidings/testing';
import { parseConfig } from '../../src/config/load.ts';
import { type Material, readMaterial } from '../../src/trust/material.ts';

const signing = makeSigningKey('bank-1');
const directoryKey = makeSigningKey('directory-1');
const DIRECTORY = { directory: { issuer: 'OpenBanking Ltd', jwksFile: 'directory.json' } };

/** Reads the material of a configuration in a folder of its own, which holds the given files too. */
async function materialOf(t: TestContext, settings: object, files: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-material-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, text] of Object.entries({ 'signing.pem': signing.keyPem, ...files })) {
    writeFileSync(join(folder, name), text);
  }
  const config = parseConfig({ ...BASE, ...settings }, folder);
  return await readMaterial(config, { open: () => assert.fail('a file needs no provider') });
}

const BASE = {
  issuer: 'https://bank.example',
  organisationId: 'bank',
  signing: { kid: 'bank-1', keyFile: 'signing.pem' },
  store: { file: 'store.db' },
  api: { gateway: { addresses: ['127.0.0.1'] } },
  accessTokens: { issuer: 'https://as.example', audience: 'bank', jwksUrl: 'https://as.example/jwks' },
  operator: { tokens: [{ name: 'bank', sha256: '0'.repeat(64), role: 'administrator' }] },
};

test('the signing key is read, and its JWK holds no private member', async (t) => {
  const { signingKeys } = await materialOf(t, {});
  assert.equal(signingKeys.main.signer.kid, 'bank-1');
  assert.deepEqual(Object.keys(signingKeys.main.publicJwk).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
});

test('what the configuration does not name is absent', async (t) => {
  const material = await materialOf(t, {});
  const { apiTls, operatorTls, deliveryCa, tppKeysCa, directoryJwks } = material;
  for (const absent of [apiTls, operatorTls, deliveryCa, tppKeysCa, directoryJwks]) assert.equal(absent, undefined);
  assert.deepEqual(material.accessTokensTls, {});
});

test('the JWKS of the directory and the roots of JWKS URLs are read', async (t) => {
  const { caPem: ca } = await testPki();
  const jwks = { keys: [directoryKey.jwk] };
  const files = { 'roots.pem': ca, 'directory.json': JSON.stringify(jwks) };
  const material = await materialOf(t, { ...DIRECTORY, tppKeys: { caFile: 'roots.pem' } }, files);
  assert.deepEqual(material.directoryJwks, jwks);
  assert.equal(material.tppKeysCa, ca);
});

const BAD: readonly (readonly [string, object, Readonly<Record<string, string>>, RegExp])[] = [
  ['the JWKS of the directory is absent', DIRECTORY, {}, /"directory\.jwksFile", does not exist/],
  ['it is not JSON', DIRECTORY, { 'directory.json': '{' }, /"directory\.jwksFile", is not a JWKS/],
  ['it is no JWKS', DIRECTORY, { 'directory.json': '{}' }, /"directory\.jwksFile", is not a JWKS/],
  ['it has a member twice', DIRECTORY, { 'directory.json': '{"keys":[],"keys":[]}' }, /is not a JWKS/],
  ['it holds no signing key', DIRECTORY, { 'directory.json': '{"keys":[]}' }, /holds no signing key/],
  ['the roots of JWKS URLs are none', { tppKeys: { caFile: 'x.pem' } }, { 'x.pem': 'x' }, /"tppKeys\.caFile"/],
  ['the signing key is none', {}, { 'signing.pem': 'x' }, /"signing\.keyFile", is not an RSA private key/],
  ['the signing key is too short', {}, { 'signing.pem': makeSigningKey('x', 1024).keyPem }, /under 2048 bits/],
];

for (const [what, settings, files, message] of BAD) {
  test(`nothing starts when ${what}, and the message names setting and file`, async (t) => {
    const reading: Promise<Material> = materialOf(t, settings, files);
    await assert.rejects(reading, { name: 'StartUpError', message });
  });
}
