import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A revocation list of an authority that nobody knows, in PEM; without `nextUpdate` it does not say when it is past. */
export async function revocationList(nextUpdate?: Date): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const list = await x509.X509CrlGenerator.create({
    issuer: 'CN=Nobody',
    signingKey: privateKey,
    signingAlgorithm: ALGORITHM,
    thisUpdate: new Date('2026-01-01T00:00:00Z'),
    ...(nextUpdate && { nextUpdate }),
    entries: [{ serialNumber: '01', revocationDate: new Date('2026-01-01T00:00:00Z') }],
  });
  // The library writes the label that OpenSSL does not read.
  return list.toString('pem').replaceAll(/(BEGIN|END) CRL/g, '$1 X509 CRL');
}
