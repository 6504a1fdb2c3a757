import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { importSigningKeys, JwksError, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { StartUpError, systemErrorCode } from '../base/start-up-error.ts';

/**
 * Reads a file that a setting names.
 *
 * @param setting full name of the setting, for the message
 * @throws {StartUpError} naming setting and file
 */
export function readConfiguredFile(setting: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = systemErrorCode(error) === 'ENOENT' ? 'does not exist' : `cannot be read (${systemErrorCode(error)})`;
    throw new StartUpError(`The file ${file}, named by "${setting}", ${why}.`);
  }
}

/** A secret of the configuration. */
export interface Secret {
  /** Without the end of its last line. */
  readonly text: string;
  /** Where it is given, as the subject of a message. */
  readonly where: string;
}

/**
 * A secret that is given by a setting itself, or by the file that the setting of the same name with "File" names.
 *
 * @returns undefined if neither is given
 * @throws {StartUpError} naming setting and file
 */
export function readSecret(setting: string, value: string | undefined, file: string | undefined): Secret | undefined {
  if (value !== undefined) return { text: value, where: `"${setting}"` };
  if (file === undefined) return undefined;
  const text = readConfiguredFile(`${setting}File`, file).replace(/\r?\n$/, '');
  return { text, where: `The file ${file}, named by "${setting}File",` };
}

/** Certificate chain and private key in PEM, known to belong together. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/**
 * Reads a certificate and its key, and checks that they belong together, so that a mix-up is found at start and not at the
 * first connection.
 *
 * @throws {StartUpError}
 */
export function readTlsIdentity(section: string, files: { certificateFile: string; keyFile: string }): TlsIdentity {
  const cert = readConfiguredFile(`${section}.certificateFile`, files.certificateFile);
  const key = readConfiguredFile(`${section}.keyFile`, files.keyFile);
  try {
    // Each by itself first, since a secure context ignores an empty text.
    new X509Certificate(cert);
    createPrivateKey(key);
    createSecureContext({ cert, key });
  } catch {
    throw new StartUpError(
      `"${section}.certificateFile" (${files.certificateFile}) and "${section}.keyFile" (${files.keyFile}) are not a ` +
        'certificate and its private key in PEM.',
    );
  }
  return { cert, key };
}

const CERTIFICATE_BEGINS = '-----BEGIN CERTIFICATE-----';
// Up to the next `BEGIN`, so that a certificate without its end is found too.
const CERTIFICATES = /-----BEGIN CERTIFICATE-----.*?(?=-----BEGIN |$)/gs;

/** The certificates of a PEM text, in order. @throws when one is invalid */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  // One by one, since a secure context ignores invalid ones.
  return [...pem.matchAll(CERTIFICATES)].map(([certificate]) => new X509Certificate(certificate));
}

/** Reads root certificates. @throws {StartUpError} */
export function readCertificates(setting: string, file: string): string {
  const pem = readConfiguredFile(setting, file);
  if (!pem.includes(CERTIFICATE_BEGINS)) {
    throw new StartUpError(`The file ${file}, named by "${setting}", holds no certificate in PEM.`);
  }
  try {
    certificatesIn(pem);
  } catch {
    throw new StartUpError(`The file ${file}, named by "${setting}", is not readable as certificates in PEM.`);
  }
  return pem;
}

/** Reads a JWKS that holds at least one signing key. @throws {StartUpError} */
export async function readJwks(setting: string, file: string): Promise<unknown> {
  const text = readConfiguredFile(setting, file);
  try {
    const jwks = parseStrictJson(new TextEncoder().encode(text));
    if ((await importSigningKeys(jwks)).kids.length > 0) return jwks;
  } catch (error) {
    if (!(error instanceof StrictJsonError || error instanceof JwksError)) throw error;
    throw new StartUpError(`The file ${file}, named by "${setting}", is not a JWKS.`);
  }
  throw new StartUpError(`The file ${file}, named by "${setting}", holds no signing key (RSA, PS256, "use": "sig").`);
}

const CRL_BEGINS = '-----BEGIN X509 CRL-----';
const CRLS = /-----BEGIN X509 CRL-----.*?(?=-----BEGIN |$)/gs;

/**
 * Reads certificate revocation lists (RFC 5280 section 5), one PEM text each, since TLS reads only the first of a text.
 * Does not check their signature or times: each handshake does.
 *
 * @throws {StartUpError}
 */
export function readRevocationLists(setting: string, file: string): string[] {
  const pem = readConfiguredFile(setting, file);
  if (!pem.includes(CRL_BEGINS)) {
    throw new StartUpError(
      `The file ${file}, named by "${setting}", holds no revocation list in PEM ("${CRL_BEGINS}").`,
    );
  }
  const lists = [...pem.matchAll(CRLS)].map(([list]) => list);
  try {
    createSecureContext({ crl: lists });
  } catch {
    throw new StartUpError(`The file ${file}, named by "${setting}", is not readable as revocation lists in PEM.`);
  }
  return lists;
}
