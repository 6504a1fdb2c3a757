import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, both PEM. */
export interface Keyed {
  readonly cert: string;
  readonly key: string;
}

/** What a server certificate says. */
export interface ServerNames {
  readonly dns?: string;
  readonly ip?: string;
  readonly expired?: boolean;
  /** With an RSA key of 1024 bits. */
  readonly weak?: boolean;
  /** With an RSA key of 2048 bits. */
  readonly isRsa?: boolean;
  /** Valid from and until so many days from now, in place of a few hours. */
  readonly days?: Days;
  /** For TLS as a client alone. */
  readonly isForClients?: boolean;
}

/** From when and until when, in days from now. */
type Days = readonly [from: number, until: number];

/** An authority that issues server certificates. */
export interface Authority {
  readonly ca: string;
  issue(names?: ServerNames): Promise<Keyed>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** Makes an authority of its own, which nobody trusts yet. */
export async function makeAuthority({ days }: { readonly days?: Days } = {}): Promise<Authority> {
  const keys = await makeKeys();
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(false, days),
    name: 'CN=Test authority',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const issue = async (names: ServerNames = {}): Promise<Keyed> => {
    const { dns = 'localhost', ip = '127.0.0.1', expired = false, weak = false, isForClients = false } = names;
    const leafKeys = weak || names.isRsa ? await makeRsaKeys(weak ? 1024 : 2048) : await makeKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(expired, names.days),
      subject: 'CN=server',
      issuer: ca.subject,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.SubjectAlternativeNameExtension([
          { type: 'ip', value: ip },
          { type: 'dns', value: dns },
        ]),
        ...(isForClients ? [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])] : []),
      ],
    });
    return { cert: certificate.toString('pem'), key: await pemOf(leafKeys.privateKey) };
  };
  return { ca: ca.toString('pem'), issue };
}

function validity(expired = false, [from, until]: Days = expired ? [-4 / 24, -1 / 24] : [-3 / 24, 1 / 24]) {
  return {
    serialNumber: randomBytes(8).toString('hex'),
    notBefore: new Date(Date.now() + from * DAY_MS),
    notAfter: new Date(Date.now() + until * DAY_MS),
  };
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function makeRsaKeys(modulusLength: number): Promise<webcrypto.CryptoKeyPair> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength };
  const publicExponent = new Uint8Array([1, 0, 1]);
  return await webcrypto.subtle.generateKey({ ...algorithm, publicExponent }, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replace(/(.{64})/g, '$1\n').trim()}\n-----END PRIVATE KEY-----\n`;
}
