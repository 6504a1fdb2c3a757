import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A certificate and its key, both PEM; and the certificate's DER. */
export interface Keyed {
  readonly cert: string;
  readonly key: string;
  readonly der: Buffer;
}

/** What a certificate is to say. */
export interface Leaf {
  /** As text, or a name in DER. */
  readonly subject?: string | Buffer<ArrayBuffer>;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

/** An authority that certifies clients and servers of the loopback. */
export interface Pki {
  readonly ca: string;
  readonly server: Keyed;
  client(leaf?: Leaf): Promise<Keyed>;
}

/** An attribute of a name: its OID in DER, the tag of its value, and the value. */
export type NameAttribute = readonly [oid: string, tag: number, value: string | Buffer];

/** Writes a name in DER, RDN by RDN in the order of the certificate; no library stands between test and bytes. */
export function nameOf(...names: readonly (readonly NameAttribute[])[]): Buffer<ArrayBuffer> {
  return element(0x30, ...names.map((attributes) => element(0x31, ...attributes.map(attributeOf))));
}

function attributeOf([oid, tag, value]: NameAttribute): Buffer {
  return element(0x30, element(0x06, Buffer.from(oid, 'hex')), element(tag, Buffer.from(value)));
}

function element(tag: number, ...contents: readonly Buffer[]): Buffer<ArrayBuffer> {
  const content = Buffer.concat(contents);
  const { length } = content;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...(length < 0x80 ? [length] : long)]), content]);
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
    ...validity({}),
    serialNumber: serial(),
    name: 'CN=Test authority',
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const issue = async (leaf: Leaf, extensions: x509.Extension[]): Promise<Keyed> => {
    const leafKeys = await makeKeys();
    const certificate = await x509.X509CertificateGenerator.create({
      ...validity(leaf),
      serialNumber: serial(),
      subject: new x509.Name(leaf.subject ?? 'CN=tpp.example'),
      issuer: ca.subject,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions,
    });
    return {
      cert: `${certificate.toString('pem').trim()}\n`,
      key: await pemOf(leafKeys.privateKey),
      der: Buffer.from(certificate.rawData),
    };
  };
  const names = new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }]);
  return {
    ca: ca.toString('pem'),
    server: await issue({ subject: 'CN=server.example' }, [names]),
    client: (leaf = {}) => issue(leaf, [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]),
  };
}

function validity({ notBeforeMs, notAfterMs }: Leaf) {
  const now = Date.now();
  return { notBefore: new Date(notBeforeMs ?? now - HOUR_MS), notAfter: new Date(notAfterMs ?? now + HOUR_MS) };
}

function serial(): string {
  return `01${randomBytes(8).toString('hex')}`;
}

async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der.replaceAll(/(.{64})/g, '$1\n').trim()}\n-----END PRIVATE KEY-----\n`;
}
