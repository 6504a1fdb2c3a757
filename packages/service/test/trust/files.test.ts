import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { makeAuthority, makeRsaKey, makeSigningKey, temporaryFolder } from '@tidings/testing';
import { StartUpError } from '../../src/base/start-up-error.ts';
import { readCertificates, readConfiguredFile, readTlsIdentity } from '../../src/trust/files.ts';
import { loadSigningKeys } from '../../src/trust/signing-key.ts';

const folder = temporaryFolder();
after(() => folder.remove());
const authority = await makeAuthority();
const [one, other] = [await authority.issue(), await authority.issue()];

/** A file with this content. */
function file(name: string, content: string): string {
  const path = join(folder.path, name);
  writeFileSync(path, content);
  return path;
}

function isStartUpError(...parts: readonly string[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof StartUpError, String(error));
    for (const part of parts) assert.ok(error.message.includes(part), `"${part}" is not in: ${error.message}`);
    assert.ok(!error.message.includes('PRIVATE KEY-----\n'), 'the message shows a key');
    return true;
  };
}

test('a file that a setting names is read', () => {
  assert.equal(readConfiguredFile('a.setting', file('text', 'text: ü')), 'text: ü');
});

test('a file that does not exist is named with its setting', () => {
  const missing = join(folder.path, 'missing.pem');
  assert.throws(() => readConfiguredFile('a.setting', missing), isStartUpError('a.setting', missing, 'does not exist'));
});

test('a file that is a folder is named with its setting and the reason', () => {
  assert.throws(() => readConfiguredFile('a.setting', folder.path), isStartUpError('a.setting', folder.path, 'EISDIR'));
});

test('a certificate and its key are read', () => {
  const files = { certificateFile: file('one.crt', one.certificatePem), keyFile: file('one.keyPem', one.keyPem) };
  assert.deepEqual(readTlsIdentity('api.tls', files), one.tls);
});

const MIXED_UP: readonly (readonly [string, string, string])[] = [
  ['the key of another certificate', one.certificatePem, other.keyPem],
  ['certificate and key swapped', one.keyPem, one.certificatePem],
  ['a key that is none', one.certificatePem, 'key'],
  ['a certificate that is none', 'certificate', one.keyPem],
  ['two empty files', '', ''],
  ['an empty certificate', '', one.keyPem],
  ['an empty key', one.certificatePem, ''],
];

for (const [name, cert, key] of MIXED_UP) {
  test(`${name}: the message names both settings and both files`, () => {
    const files = { certificateFile: file('mixed.crt', cert), keyFile: file('mixed.key', key) };
    const { certificateFile, keyFile } = files;
    assert.throws(
      () => readTlsIdentity('api.tls', files),
      isStartUpError('api.tls.certificateFile', 'api.tls.keyFile', certificateFile, keyFile),
    );
  });
}

test('root certificates are read, one or several, with text around them', () => {
  const several = `# roots\n${authority.certificatePem}\n# more\n${one.certificatePem}\n# end\n`;
  assert.equal(
    readCertificates('delivery.caFile', file('one-root.pem', authority.certificatePem)),
    authority.certificatePem,
  );
  assert.equal(readCertificates('delivery.caFile', file('roots.pem', several)), several);
});

const NO_CERTIFICATES: readonly (readonly [string, string])[] = [
  ['an empty file', ''],
  ['a key', one.keyPem],
  ['a certificate with a broken body', '-----BEGIN CERTIFICATE-----\nMIIBbroken\n-----END CERTIFICATE-----\n'],
  ['a certificate that is cut off', authority.certificatePem.slice(0, 200)],
  [
    'a good certificate and a broken one',
    `${authority.certificatePem}\n${one.certificatePem.replace(/\n.{30}/, '\n')}`,
  ],
];

for (const [name, content] of NO_CERTIFICATES) {
  test(`${name} is not taken for root certificates`, () => {
    const path = file('bad.pem', content);
    assert.throws(() => readCertificates('delivery.caFile', path), isStartUpError('delivery.caFile', path));
  });
}

async function signingKey(keyFile: string) {
  const { main } = await loadSigningKeys(
    {
      signing: {
        ...{ provider: 'file', kid: 'k1', keyFile, announcedMs: 0, formerKeysKeptMs: 0 },
        circuit: { failuresMax: 1, pauseMs: 10, pauseMaxMs: 10 },
      },
      ...{ organisationId: 'org-1', trustAnchor: 'openbanking.org.uk' },
    },
    { open: () => assert.fail('a file needs no provider') },
  );
  return main;
}

test('the signing key gives a signer with our identity, and its public half for the JWKS', async () => {
  const { signer, publicJwk } = await signingKey(file('signing.key', makeSigningKey('k1').keyPem));
  assert.deepEqual([signer.kid, signer.iss, signer.tan], ['k1', 'org-1', 'openbanking.org.uk']);
  assert.deepEqual(Object.keys(publicJwk).toSorted(), ['alg', 'e', 'kid', 'kty', 'n', 'use']);
  assert.deepEqual([publicJwk['kid'], publicJwk['use'], publicJwk['alg']], ['k1', 'sig', 'PS256']);
});

const NO_SIGNING_KEYS: readonly (readonly [string, () => string, string])[] = [
  ['of under 2048 bits', () => makeSigningKey('k1', 1024).keyPem, 'under 2048 bits'],
  ['that is an EC key', () => one.keyPem, 'not an RSA private key'],
  ['that is a certificate', () => one.certificatePem, 'not an RSA private key'],
  ['in PKCS #1', () => pkcs1(), 'not an RSA private key'],
  ['that is empty', () => '', 'not an RSA private key'],
];

function pkcs1(): string {
  return makeRsaKey().export({ type: 'pkcs1', format: 'pem' }).toString();
}

for (const [name, make, why] of NO_SIGNING_KEYS) {
  test(`a signing key ${name} is refused with setting, file and reason`, async () => {
    const path = file('bad.key', make());
    await assert.rejects(signingKey(path), isStartUpError('signing.keyFile', path, why));
  });
}

test('a signing key that does not exist is named with its setting', async () => {
  const missing = join(folder.path, 'no.key');
  await assert.rejects(signingKey(missing), isStartUpError('signing.keyFile', missing, 'does not exist'));
});
