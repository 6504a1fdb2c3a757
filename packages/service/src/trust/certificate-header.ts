import { X509Certificate } from 'node:crypto';
import type { Config } from '../config/schema.ts';

/** How a gateway writes the certificate into its header. */
export type CertificateFormat = NonNullable<Config['api']['gateway']>['certificateFormat'];

/** Longest header that is looked at; certificates of the Directory have about 3000 characters. */
const CERTIFICATE_HEADER_CHARS_MAX = 16_384;

// RFC 8941 section 3.3.5: a byte sequence; RFC 9440 section 2.2 allows no parameters after it.
const BYTE_SEQUENCE = /^:([^:]+):$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
// One certificate: what comes after it in a chain is not the client's.
const PEM = /^-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n-----END CERTIFICATE-----(?:\r?\n)?$/;

/**
 * Reads one certificate out of a gateway's header. Exactly one, in exactly the form: whatever else stands there is as if
 * there were no certificate. Does not look at its validity or chain.
 */
export function decodeCertificateHeader(value: string, format: CertificateFormat): X509Certificate | undefined {
  if (value.length > CERTIFICATE_HEADER_CHARS_MAX) return undefined;
  const der = decodeBase64(base64Of(value, format));
  if (der === undefined) return undefined;
  try {
    const certificate = new X509Certificate(der);
    // OpenSSL stops reading where the certificate ends, and takes PEM where DER is meant.
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

/** Canonical base64, of which RFC 8941 section 4.2.7 lets the padding be absent. */
function decodeBase64(text: string): Buffer | undefined {
  if (!BASE64.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '') ? bytes : undefined;
}
