import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, both PEM. */
export interface Keyed {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** One authority with a server certificate for the loopback and a client certificate. */
export interface Pki {
  readonly caPem: string;
  readonly server: Keyed;
  readonly client: Keyed;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;

let made: Promise<Pki> | undefined;

/** Makes the PKI of this test file once. */
export function testPki(): Promise<Pki> {
  made ??= makePki();
  return made;
}

/** Makes an authority of its own, which nobody trusts. */
export async function makePki(): Promise<Pki> {
  const keys = await makeKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity('CN=Test authority'),
    name: 'CN=Test authority',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const leaf = async (name: string, extensions: x509.Extension[]): Promise<Keyed> => {
    const leafKeys = await makeKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(name),
      issuer: ca.subject,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    });
    return { certificatePem: certificate.toString('pem'), keyPem: await pemOf(leafKeys.privateKey) };
  };
  const names = new x509.SubjectAlternativeNameExtension([
    { type: 'ip', value: '127.0.0.1' },
    { type: 'dns', value: 'localhost' },
  ]);
  return {
    caPem: ca.toString('pem'),
    server: await leaf('CN=bank.example', [names]),
    client: await leaf('CN=tpp.example', [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]),
  };
}

function validity(subject: string) {
  const now = Date.now();
  return {
    subject,
    serialNumber: randomBytes(8).toString('hex'),
    notBefore: new Date(now - HOUR_MS),
    notAfter: new Date(now + HOUR_MS),
  };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, '$1\n').trim()}\n-----END PRIVATE KEY-----\n`;
}
