import 'reflect-metadata';
import { createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** A transport certificate and its private key (PKCS #8), both in PEM. */
export interface TransportIdentity {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** RFC 4514. */
  readonly subjectDn: string;
  /** SHA-256 of the DER, base64url. */
  readonly thumbprint: string;
  readonly der: Buffer;
}

/** A root, and what it issues. */
export interface TransportAuthority {
  readonly certificatePem: string;
  /** A certificate for TLS as client and as server on loopback, with the subject `CN={name},O=Tests,C=GB`. */
  issue(name: string): Promise<TransportIdentity>;
  /** Its revocation list, PEM, good for an hour unless it is said when it is past. */
  revoke(revoked: readonly TransportIdentity[], nextUpdate?: Date): Promise<string>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const HOUR_MS = 3_600_000;

/** Makes a root of its own: whoever does not name it does not trust it. */
export async function makeTransportAuthority(name: string): Promise<TransportAuthority> {
  const keys = await makeKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    name: `CN=${name}`,
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  return {
    certificatePem: root.toString('pem'),
    revoke: async (revoked, nextUpdate = new Date(Date.now() + HOUR_MS)) => {
      const list = await x509.X509CrlGenerator.create({
        issuer: root.subject,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        thisUpdate: new Date(Date.now() - 2 * HOUR_MS),
        nextUpdate,
        entries: revoked.map(({ certificatePem }) => ({
          serialNumber: new X509Certificate(certificatePem).serialNumber,
          revocationDate: new Date(),
        })),
      });
      // The library writes the label that OpenSSL does not read.
      return list.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL');
    },
    issue: async (subject) => {
      const leafKeys = await makeKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        ...validity(),
        // The most general attribute first, as certificates have it; RFC 4514 writes it the other way round.
        subject: new x509.Name([{ C: ['GB'] }, { O: ['Tests'] }, { CN: [subject] }]),
        issuer: root.subject,
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        extensions: [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth, x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension([
            { type: 'dns', value: 'localhost' },
            { type: 'ip', value: '127.0.0.1' },
          ]),
        ],
      });
      const certificatePem = certificate.toString('pem');
      const der = Buffer.from(new X509Certificate(certificatePem).raw);
      return {
        ...{ certificatePem, der, subjectDn: `CN=${subject},O=Tests,C=GB` },
        keyPem: await pemOf(leafKeys.privateKey),
        thumbprint: createHash('sha256').update(der).digest('base64url'),
      };
    },
  };
}

function validity() {
  const now = Date.now();
  return {
    serialNumber: `01${randomBytes(8).toString('hex')}`,
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
