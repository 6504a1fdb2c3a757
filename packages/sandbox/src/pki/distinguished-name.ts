/**
 * Distinguished names as text (RFC 4514), and whether two of them are the same.
 *
 * `tls_client_auth_subject_dn` (RFC 8705 section 2.1.2) is such a text, and parties write the one attribute of
 * PSD2 certificates that RFC 4514 has no name for in three ways: `organizationIdentifier=…`, `2.5.4.97=…` and
 * `2.5.4.97=#0c…`. So names are compared as parsed RDNs.
 */

import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/**
 * Names that RFC 4514 section 3 lists, those that RFC 4519 adds, and the one of ETSI TS 119 495 as OpenSSL
 * writes it.
 */
const OID_OF_NAME: Readonly<Record<string, string>> = {
  C: '2.5.4.6',
  CN: '2.5.4.3',
  DC: '0.9.2342.19200300.100.1.25',
  E: '1.2.840.113549.1.9.1',
  EMAILADDRESS: '1.2.840.113549.1.9.1',
  G: '2.5.4.42',
  GIVENNAME: '2.5.4.42',
  I: '2.5.4.43',
  INITIALS: '2.5.4.43',
  L: '2.5.4.7',
  O: '2.5.4.10',
  ORGANIZATIONIDENTIFIER: '2.5.4.97',
  OU: '2.5.4.11',
  SERIALNUMBER: '2.5.4.5',
  SN: '2.5.4.4',
  ST: '2.5.4.8',
  STREET: '2.5.4.9',
  T: '2.5.4.12',
  TITLE: '2.5.4.12',
  UID: '0.9.2342.19200300.100.1.1',
};

/**
 * How an attribute is written. One that is not here is written as its OID with its text, which this module reads,
 * and readers that follow RFC 4514 section 2.4 to the letter (`#` and DER after an OID) may not.
 */
const NAME_OF_OID: Readonly<Record<string, string>> = {
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.3': 'CN',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'STREET',
  '2.5.4.97': 'organizationIdentifier',
};

/**
 * One attribute: its OID in dotted decimal, and its text, or the DER of a value that is not a text as `#` and
 * hexadecimal digits.
 */
interface Attribute {
  readonly oid: string;
  readonly value: string;
  readonly isHex: boolean;
}

/**
 * A parsed name, most specific RDN first as in RFC 4514 (the reverse of the certificate). An RDN can hold
 * several attributes.
 */
export type DistinguishedName = readonly (readonly Attribute[])[];

/** The subject of a certificate (DER or PEM). */
export function subjectOf(certificate: Uint8Array<ArrayBuffer> | string): DistinguishedName {
  return new x509.X509Certificate(certificate).subjectName
    .toJSON()
    .reverse()
    .map((rdn) =>
      Object.entries(rdn).flatMap(([type, values]) =>
        // The library gives a value that is not a text as '#' and hexadecimal digits.
        values.map((value) => ({ oid: oidOf(type), value, isHex: value.startsWith('#') })),
      ),
    );
}

/** Writes a name as RFC 4514 says, with no spaces between RDNs: `CN=…,organizationIdentifier=…,O=…,C=GB`. */
export function formatDistinguishedName(name: DistinguishedName): string {
  return name
    .map((rdn) =>
      rdn.map(({ oid, value, isHex }) => `${NAME_OF_OID[oid] ?? oid}=${isHex ? value : escapeValue(value)}`).join('+'),
    )
    .join(',');
}

/**
 * Reads a name written as in RFC 4514. Spaces around separators are let pass, as RFC 2253 had them; values in
 * quotation marks are not.
 *
 * @throws TypeError when it is not such a text, or uses a name of an attribute that is unknown here.
 */
export function parseDistinguishedName(text: string): DistinguishedName {
  const rdns: Attribute[][] = [[]];
  let rest = text;
  for (;;) {
    const match = ATTRIBUTE.exec(rest);
    const [whole, type, value, separator] = match ?? [];
    if (whole === undefined || type === undefined || value === undefined) {
      throw new TypeError(`Not a distinguished name (RFC 4514): ${JSON.stringify(text)}`);
    }
    rdns.at(-1)?.push(parseAttribute(type, value));
    if (separator === undefined || separator === '') return rdns;
    if (separator === ',') rdns.push([]);
    rest = rest.slice(whole.length);
  }
}

/**
 * Whether two names have the same RDNs in the same order. Values are compared exactly, letter case included,
 * which is stricter than RFC 5280 section 7.1; the string type (UTF8String, PrintableString) does not count.
 */
export function sameDistinguishedName(one: DistinguishedName, other: DistinguishedName): boolean {
  return canonical(one) === canonical(other);
}

/**
 * type `=` value, and `,` or `+` or the end. A backslash takes the next character with it, so that `\,` does
 * not separate.
 */
const ATTRIBUTE = /^ *([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+) *= *((?:\\[\s\S]|[^\\,+"<>;])*?) *(?:([,+])|$)/;

function parseAttribute(type: string, written: string): Attribute {
  const oid = oidOf(type);
  if (/^#(?:[0-9A-Fa-f]{2})+$/.test(written)) return { oid, ...decodeHexValue(written) };
  return { oid, value: unescapeValue(written), isHex: false };
}

function oidOf(type: string): string {
  if (/^\d/.test(type)) return type;
  const oid = OID_OF_NAME[type.toUpperCase()];
  if (oid === undefined) throw new TypeError(`Unknown attribute in a distinguished name: ${JSON.stringify(type)}`);
  return oid;
}

/** `#` and the DER of a value; the short UTF8String, PrintableString and IA5String become their text. */
function decodeHexValue(written: string): { value: string; isHex: boolean } {
  const der = Buffer.from(written.slice(1), 'hex');
  const isText = der[0] === 0x0c || der[0] === 0x13 || der[0] === 0x16;
  const isShort = der[1] !== undefined && der[1] < 0x80 && der.length === der[1] + 2;
  if (isText && isShort) return { value: der.subarray(2).toString('utf8'), isHex: false };
  return { value: written.toLowerCase(), isHex: true };
}

/** RFC 4514 section 2.4. */
function escapeValue(value: string): string {
  return value
    .replace(/["+,;<>\\]/g, '\\$&')
    .replace(/\0/g, '\\00')
    .replace(/^[ #]/, '\\$&')
    .replace(/ $/, '\\ ');
}

/** Undoes `\,` and `\C3\A9` (octets of UTF-8) alike. */
function unescapeValue(written: string): string {
  return written.replace(/((?:\\[0-9A-Fa-f]{2})+)|\\([\s\S])/g, (_, octets: string | undefined, character: string) =>
    octets === undefined ? character : Buffer.from(octets.replaceAll('\\', ''), 'hex').toString('utf8'),
  );
}

function canonical(name: DistinguishedName): string {
  // The attributes of one RDN are a set (X.501), the RDNs a sequence.
  return JSON.stringify(
    name.map((rdn) => rdn.map(({ oid, value, isHex }) => JSON.stringify([oid, isHex, value])).sort()),
  );
}
