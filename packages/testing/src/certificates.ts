import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import type * as X509 from '@peculiar/x509';
import type { BaseBlock } from 'asn1js';

/** A certificate with its private key. */
export interface Identity {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly keyPem: string;
  /** Both, as the options of `node:tls` name them. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** The certificate. */
  readonly der: Buffer;
  /** RFC 4514, of a subject without special characters. */
  readonly subjectDn: string;
  /** SHA-256 of the DER, base64url. */
  readonly thumbprint: string;
}

/** When a certificate is valid. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A certificate's contents. Default: client and server on the loopback, valid now. */
export interface Leaf extends Partial<Validity> {
  /** The subject becomes `CN={name},O=Tests,C=GB`. Default: `localhost`. */
  readonly name?: string;
  /** The whole subject in place of `name`: text with the most general attribute first, or a name in DER. */
  readonly subject?: string | Buffer<ArrayBuffer>;
  /** Subject alternative names. Default: `localhost` and `127.0.0.1`. */
  readonly dns?: string;
  readonly ip?: string;
  /** For TLS as a client only. */
  readonly isForClients?: boolean;
  /** With an RSA key of this size in place of one on P-256. */
  readonly rsaBits?: number;
  /** With statements about a payment service provider (ETSI EN 319 412-5, TS 119 495). */
  readonly psp?: PspLeaf;
  /** Makes the certificate larger by a comment of this size. */
  readonly commentBytes?: number;
}

/** Statements about a payment service provider. */
export interface PspLeaf {
  /** That it is qualified under eIDAS. */
  readonly isQualified?: boolean;
  /** Its type; undefined: it has none, nor an extended key usage. */
  readonly type?: 'web' | 'eseal';
  readonly roles?: readonly PspRole[];
  /** Default: Financial Conduct Authority, GB-FCA. */
  readonly authority?: { readonly name: string; readonly id: string };
}

/** Roles of a payment service provider, in the order of their identifiers. */
const PSP_ROLES = ['PSP_AS', 'PSP_PI', 'PSP_AI', 'PSP_IC'] as const;
export type PspRole = (typeof PSP_ROLES)[number];

/** A root certificate, and what it issues. */
export interface Authority {
  readonly certificatePem: string;
  issue(leaf?: Leaf): Promise<Identity>;
  /** Its revocation list, PEM, valid for an hour unless told otherwise; null leaves the end out. */
  revoke(revoked: readonly Identity[], nextUpdate?: Date | null): Promise<string>;
}

/** An authority with a certificate for a server and one for a client on the loopback. */
export interface Pki {
  readonly caPem: string;
  readonly authority: Authority;
  readonly server: Identity;
  readonly client: Identity;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;
/** OID of the extension that Netscape made for comments. */
const COMMENT = '2.16.840.1.113730.1.13';
const QC_STATEMENTS = '1.3.6.1.5.5.7.1.3';
const QC_TYPES = { eseal: '0.4.0.1862.1.6.2', web: '0.4.0.1862.1.6.3' };

/** A validity in days from now. */
export function daysFromNow(from: number, until: number): Validity {
  const at = (days: number) => new Date(Date.now() + days * 24 * HOUR_MS);
  return { notBefore: at(from), notAfter: at(until) };
}

let shared: Promise<Pki> | undefined;

/** The PKI of this process, made once. */
export async function testPki(): Promise<Pki> {
  shared ??= makePki();
  // The caller gets a promise of its own: node:test finds the suite of a test by the promise that was awaited before it, and
  // this one may belong to the suite of another file.
  return await shared;
}

/** Makes a PKI that nothing else trusts. */
export async function makePki(): Promise<Pki> {
  const authority = await makeAuthority();
  const [server, client] = await Promise.all([
    authority.issue({ name: 'bank.example' }),
    authority.issue({ name: 'tpp.example', isForClients: true }),
  ]);
  return { caPem: authority.certificatePem, authority, server, client };
}

/** Makes an authority that nothing else trusts. */
export async function makeAuthority(name = 'Test authority', validity?: Validity): Promise<Authority> {
  const x509 = await loadX509();
  const keys = await makeKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...validityOf(validity),
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  const signed = { issuer: root.subject, signingKey: keys.privateKey, signingAlgorithm: ALGORITHM };
  return {
    certificatePem: root.toString('pem'),
    issue: async (leaf = {}) => {
      const leafKeys = leaf.rsaBits === undefined ? await makeKeys() : await makeRsaKeys(leaf.rsaBits);
      const certificate = await x509.X509CertificateGenerator.create({
        ...signed,
        ...validityOf(leaf),
        serialNumber: serialNumber(),
        subject: subjectOf(x509, leaf),
        publicKey: leafKeys.publicKey,
        extensions: await extensionsOf(x509, leaf),
      });
      return identityOf(certificate, await pemOf(leafKeys.privateKey));
    },
    revoke: async (revoked, nextUpdate = new Date(Date.now() + HOUR_MS)) => {
      const list = await x509.X509CrlGenerator.create({
        ...signed,
        thisUpdate: new Date(Date.now() - 2 * HOUR_MS),
        ...(nextUpdate !== null && { nextUpdate }),
        entries: revoked.map(({ der }) => {
          return { serialNumber: new X509Certificate(der).serialNumber, revocationDate: new Date() };
        }),
      });
      // The library writes a label that OpenSSL does not read.
      return list.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL');
    },
  };
}

/** Loaded when first needed: it takes a tenth of a second, and many tests need no certificate. */
async function loadX509(): Promise<typeof X509> {
  await import('reflect-metadata');
  return await import('@peculiar/x509');
}

function subjectOf(x509: typeof X509, { subject, name = 'localhost' }: Leaf): X509.Name {
  // The most general attribute comes first in a certificate; RFC 4514 writes it last.
  return new x509.Name(subject ?? [{ C: ['GB'] }, { O: ['Tests'] }, { CN: [name] }]);
}

async function extensionsOf(x509: typeof X509, leaf: Leaf): Promise<X509.Extension[]> {
  const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
  const usages = leaf.isForClients === true ? [clientAuth] : [clientAuth, serverAuth];
  const isForSeals = leaf.psp !== undefined && leaf.psp.type !== 'web';
  return [
    ...(isForSeals ? [] : [new x509.ExtendedKeyUsageExtension(usages)]),
    ...(leaf.psp === undefined ? [] : [new x509.Extension(QC_STATEMENTS, false, await qcStatements(leaf.psp))]),
    new x509.SubjectAlternativeNameExtension([
      { type: 'dns', value: leaf.dns ?? 'localhost' },
      { type: 'ip', value: leaf.ip ?? '127.0.0.1' },
    ]),
    ...(leaf.commentBytes === undefined ? [] : [new x509.Extension(COMMENT, false, new Uint8Array(leaf.commentBytes))]),
  ];
}

/** QCStatements (RFC 3739 section 3.2.6), in DER. */
async function qcStatements({ isQualified = false, type, roles, authority }: PspLeaf): Promise<ArrayBuffer> {
  const { Sequence, ObjectIdentifier, Utf8String } = await import('asn1js');
  const sequence = (...value: BaseBlock[]) => new Sequence({ value });
  const oid = (value: string) => new ObjectIdentifier({ value });
  const text = (value: string) => new Utf8String({ value });
  const { name, id } = authority ?? { name: 'Financial Conduct Authority', id: 'GB-FCA' };
  const named = roles?.map((role) => sequence(oid(`0.4.0.19495.1.${PSP_ROLES.indexOf(role) + 1}`), text(role)));
  const statements = [
    ...(isQualified ? [sequence(oid('0.4.0.1862.1.1'))] : []),
    ...(type === undefined ? [] : [sequence(oid('0.4.0.1862.1.6'), sequence(oid(QC_TYPES[type])))]),
    ...(named === undefined
      ? []
      : [sequence(oid('0.4.0.19495.2'), sequence(sequence(...named), text(name), text(id)))]),
  ];
  return sequence(...statements).toBER();
}

function identityOf(certificate: X509.X509Certificate, keyPem: string): Identity {
  const certificatePem = `${certificate.toString('pem').trim()}\n`;
  const der = Buffer.from(certificate.rawData);
  return {
    certificatePem,
    keyPem,
    tls: { cert: certificatePem, key: keyPem },
    der,
    // Only when asked for: Node.js does not read every name that a test makes.
    get subjectDn() {
      return new X509Certificate(der).subject.split('\n').reverse().join(',');
    },
    thumbprint: createHash('sha256').update(der).digest('base64url'),
  };
}

function validityOf({ notBefore, notAfter }: Partial<Validity> = {}): Validity {
  const nowMs = Date.now();
  return {
    notBefore: notBefore ?? new Date(nowMs - HOUR_MS),
    notAfter: notAfter ?? new Date(nowMs + HOUR_MS),
  };
}

function serialNumber(): string {
  // Begins with 01, so that it is positive and no leading zero is dropped.
  return `01${randomBytes(8).toString('hex')}`;
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
  return `-----BEGIN PRIVATE KEY-----\n${der.replaceAll(/(.{64})/g, '$1\n').trim()}\n-----END PRIVATE KEY-----\n`;
}
