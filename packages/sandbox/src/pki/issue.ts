/**
 * Issues the sandbox's certificates: a root, and below it transport (OBWAC style) and signing (OBSeal style)
 * certificates. RFC 5280.
 */

import 'reflect-metadata';
import { createPrivateKey, randomBytes, type webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { makeKeyPem, publicKeyOf } from './keys.ts';
import { type Identity, organisationIdentifier, ROOT_COMMON_NAME, ROOT_ORGANISATION } from './participants.ts';
import { QC_STATEMENTS_OID, qcStatementsDer } from './qc-statements.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const ROOT_LIFETIME_MS = 3650 * DAY_MS;
/** Thirteen months: the lifetime of Directory certificates, and the maximum that TLS clients accept. */
const LEAF_LIFETIME_MS = 397 * DAY_MS;
/** How far the start of validity is backdated, for peers whose clock is behind. */
const BACKDATED_MS = 60 * 60 * 1000;
const SERIAL_BYTES = 16;
/** organizationIdentifier (X.520), which RFC 4514 has no keyword for. */
const ORGANISATION_ID_OID = '2.5.4.97';
const SIGNATURE = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;

/** A certificate and its private key (PKCS #8, unencrypted), both in PEM. */
export interface KeyedCertificate {
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** Purpose of a participant's certificate. */
export type Purpose = 'transport' | 'signing';

/** Request for a certificate. */
export interface LeafRequest {
  readonly identity: Identity;
  readonly purpose: Purpose;
  readonly keyPem: string;
  readonly nowMs: number;
  /** Name or address of a server, besides those of this machine. */
  readonly serverName?: string;
}

const LOCAL_NAMES = ['localhost', '127.0.0.1', '::1'];

/** Generates a key and issues its self-signed root certificate, valid for ten years from `nowMs`. */
export async function issueRoot(nowMs: number): Promise<KeyedCertificate> {
  const keyPem = await makeKeyPem();
  const publicKey = subjectPublicKeyInfo(keyPem);
  const name = new x509.Name([{ C: ['GB'] }, { O: [ROOT_ORGANISATION] }, { CN: [ROOT_COMMON_NAME] }]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: name,
    issuer: name,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + ROOT_LIFETIME_MS),
    publicKey,
    signingKey: await signingKeyOf(keyPem),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return { certificatePem: toPem(certificate), keyPem };
}

/**
 * Issues a certificate for an existing key of a participant.
 *
 * The certificate is valid for 397 days, or until the root expires if that is sooner. Revocation (CRL, OCSP) is not
 * supported: the sandbox replaces its whole PKI instead.
 */
export async function issueLeaf(
  root: KeyedCertificate,
  { identity, purpose, keyPem, nowMs, serverName }: LeafRequest,
): Promise<KeyedCertificate> {
  const publicKey = subjectPublicKeyInfo(keyPem);
  const rootCertificate = new x509.X509Certificate(root.certificatePem);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject: new x509.Name(subjectAttributes(identity, purpose).map(([type, value]) => ({ [type]: [value] }))),
    issuer: rootCertificate.subjectName,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(Math.min(nowMs + LEAF_LIFETIME_MS, rootCertificate.notAfter.getTime())),
    publicKey,
    signingKey: await signingKeyOf(root.keyPem),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...usageExtensions(purpose, serverName),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(subjectPublicKeyInfo(root.keyPem)),
      new x509.Extension(QC_STATEMENTS_OID, false, qcStatementsDer(purpose, identity.roles)),
    ],
  });
  return { certificatePem: toPem(certificate), keyPem };
}

/** Expiry of a certificate in PEM, milliseconds since the epoch. */
export function expiresAtMs(certificatePem: string): number {
  return new X509Certificate(certificatePem).validToDate.getTime();
}

/**
 * The subject of a transport certificate in the form of RFC 4514, with `organizationIdentifier` by name. Values need no
 * escaping: those of the sandbox have no special characters.
 */
export function transportSubjectDn(identity: Identity): string {
  const attributes = subjectAttributes(identity, 'transport').toReversed();
  return attributes
    .map(([type, value]) => `${type === ORGANISATION_ID_OID ? 'organizationIdentifier' : type}=${value}`)
    .join(',');
}

function subjectAttributes(identity: Identity, purpose: Purpose): readonly (readonly [type: string, value: string])[] {
  return [
    ['C', 'GB'],
    ['O', identity.legalName],
    [ORGANISATION_ID_OID, organisationIdentifier(identity)],
    ['CN', purpose === 'transport' ? identity.transportCommonName : identity.legalName],
  ];
}

function usageExtensions(purpose: Purpose, serverName: string | undefined): x509.Extension[] {
  const { digitalSignature, nonRepudiation } = x509.KeyUsageFlags;
  if (purpose === 'signing') return [new x509.KeyUsagesExtension(digitalSignature | nonRepudiation, true)];
  return [
    new x509.KeyUsagesExtension(digitalSignature, true),
    // Both, because each side of the sandbox is a client of the other and a server for it.
    new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
    new x509.SubjectAlternativeNameExtension(
      [...new Set([...LOCAL_NAMES, ...(serverName === undefined ? [] : [serverName])])].map((value) => ({
        type: isIP(value) === 0 ? 'dns' : 'ip',
        value,
      })),
    ),
  ];
}

/**
 * A random serial number. RFC 5280 section 4.1.2.2: positive and at most 20 octets, hence the fixed high bits of the
 * first octet.
 */
function randomSerial(): string {
  const octets = randomBytes(SERIAL_BYTES);
  octets.writeUInt8((octets.readUInt8(0) & 0x3f) | 0x40, 0);
  return octets.toString('hex');
}

function subjectPublicKeyInfo(keyPem: string): Buffer<ArrayBuffer> {
  return Buffer.from(publicKeyOf(keyPem).export({ type: 'spki', format: 'der' }));
}

async function signingKeyOf(keyPem: string): Promise<webcrypto.CryptoKey> {
  return createPrivateKey(keyPem).toCryptoKey(SIGNATURE, false, ['sign']);
}

/** PEM with a trailing line feed, as OpenSSL and text tools expect. */
function toPem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}
