import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { sameDistinguishedName } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Config } from '../config/schema.ts';
import { createAddressList } from './gateway-addresses.ts';
import { subjectDnOf } from './x509.ts';

/** A certificate whose private key the client has proved to hold. */
export interface ClientCertificate {
  /** SHA-256 of the DER, base64url: what `cnf.x5t#S256` must equal (RFC 8705 section 3.1). */
  readonly thumbprintS256: string;
  /** Its subject, RFC 4514; empty where it has none. */
  readonly subjectDn: string;
  /** DER. */
  readonly raw: Uint8Array;
}

/** Gets the client certificate of a request; undefined when there is none that can be trusted. */
export type ClientCertificateReader = (request: IncomingMessage) => ClientCertificate | undefined;

/**
 * Makes the reader of client certificates (rules, section 8). On a connection from one of the gateway's addresses the
 * gateway's header alone counts, since the certificate of that connection, if any, is the gateway's own. On every other
 * one the header is ignored, and the certificate is that of the mutual TLS connection, if its chain was verified.
 *
 * A certificate in a header must be within its validity. Its chain is not verified: that, and taking the header out of
 * what clients send, is what the gateway is trusted for.
 *
 * @throws {StartUpError} naming the gateway's address that is not one
 */
export function createClientCertificateReader(
  gateway: Config['api']['gateway'],
  clock: Pick<Clock, 'nowMs'>,
): ClientCertificateReader {
  if (gateway === undefined) return certificateOfConnection;
  const isGateway = createAddressList(gateway.addresses);
  const header = gateway.certificateHeader.toLowerCase();
  return (request) => {
    if (!isGateway(request.socket.remoteAddress)) return certificateOfConnection(request);
    // A repeated header is ignored: one of the two may be the client's own.
    const [value, ...more] = request.headersDistinct[header] ?? [];
    if (value === undefined || more.length > 0) return undefined;
    const certificate = decodeCertificateHeader(value, gateway.certificateFormat);
    return certificate !== undefined && isValidAt(certificate, clock.nowMs()) ? describe(certificate.raw) : undefined;
  };
}

/**
 * Whether a certificate is of the subject that the bank registered, as `tls_client_auth_subject_dn` (RFC 8705 section
 * 2.1.2): compared RDN by RDN. A certificate without a subject matches nothing.
 */
export function matchesSubject(certificate: Pick<ClientCertificate, 'subjectDn'>, expectedDn: string): boolean {
  return sameDistinguishedName(certificate.subjectDn, expectedDn);
}

const ofConnections = new WeakMap<TLSSocket, ClientCertificate>();

function certificateOfConnection({ socket }: IncomingMessage): ClientCertificate | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const known = ofConnections.get(socket);
  if (known !== undefined) return known;
  // Not getPeerX509Certificate, which up to Node.js 24.21 takes the certificate above the client's own out of the session and
  // never frees it.
  const { raw } = socket.getPeerCertificate();
  const certificate = raw && describe(raw);
  if (certificate !== undefined) ofConnections.set(socket, certificate);
  return certificate;
}

/** RFC 5280 section 4.1.2.5: both ends are inclusive. */
function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return certificate.validFromDate.getTime() <= nowMs && nowMs <= certificate.validToDate.getTime() + LAST_SECOND_MS;
}

// The end is given in whole seconds, and that second counts.
const LAST_SECOND_MS = 999;

function describe(raw: Uint8Array): ClientCertificate | undefined {
  const subjectDn = subjectDnOf(raw);
  if (subjectDn === undefined) return undefined;
  return { thumbprintS256: createHash('sha256').update(raw).digest('base64url'), subjectDn, raw };
}

/** The encoding of the certificate in a gateway's header. */
export type CertificateFormat = NonNullable<Config['api']['gateway']>['certificateFormat'];

// Longest header that is parsed; certificates of the Directory have about 3000 characters.
const CERTIFICATE_HEADER_CHARS_MAX = 16_384;

// RFC 8941 section 3.3.5: a byte sequence; RFC 9440 section 2.2 allows no parameters after it.
const BYTE_SEQUENCE = /^:([^:]+):$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
// Exactly one certificate: others in a chain are not the client's.
const PEM = /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n-----END CERTIFICATE-----(?:\r?\n)?$/;

/**
 * Parses a gateway's header, which must hold exactly one certificate in exactly the given form. Does not check its validity
 * or chain.
 *
 * @returns undefined for anything else
 */
function decodeCertificateHeader(value: string, format: CertificateFormat): X509Certificate | undefined {
  if (value.length > CERTIFICATE_HEADER_CHARS_MAX) return undefined;
  const der = decodeBase64(base64Of(value, format));
  if (der === undefined) return undefined;
  try {
    const certificate = new X509Certificate(der);
    // OpenSSL ignores bytes after the certificate, and accepts PEM where DER is meant.
    return certificate.raw.equals(der) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

function base64Of(value: string, format: CertificateFormat): string {
  switch (format) {
    case 'rfc9440':
      return BYTE_SEQUENCE.exec(value)?.[1] ?? '';
    case 'pem-url-encoded':
      return (PEM.exec(decodeUrl(value))?.[1] ?? '').replaceAll(/\r?\n/g, '');
    case 'base64-der':
      return value;
  }
}

function decodeUrl(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
}

/** Canonical base64, with or without padding (RFC 8941 section 4.2.7). */
function decodeBase64(text: string): Buffer | undefined {
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '') ? bytes : undefined;
}
