import { type DerElement, derChildren, OCTET_STRING, oidOf, readDer, sequenceOf, textOf } from './der.ts';

// The types that RFC 4514 section 3 gives a keyword. Every other one is written as its OID.
const KEYWORD_OF_OID: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '2.5.4.6': 'C',
  '2.5.4.9': 'STREET',
  '0.9.2342.19200300.100.1.25': 'DC',
  '0.9.2342.19200300.100.1.1': 'UID',
};

const SET = 0x31;
const EXPLICIT_VERSION = 0xa0;
const EXPLICIT_EXTENSIONS = 0xa3;

/**
 * The subject of a certificate as RFC 4514 writes it: the last RDN of the certificate first, attributes without a keyword
 * (organizationIdentifier) as OID and `#` with the DER of their value. Node.js gives the subject in another order and
 * form, in which names that differ can look the same.
 *
 * @param certificate DER
 * @returns empty for a certificate without a subject; undefined when the bytes are not a certificate
 */
export function subjectDnOf(certificate: Uint8Array): string | undefined {
  const names = sequenceOf(subjectOf(certificate))?.map(relativeNameOf);
  if (names === undefined || !names.every((each) => each !== undefined)) return undefined;
  return names.reverse().join(',');
}

/** RFC 5280 section 4.1: version, where it is given, then serialNumber, signature, issuer, validity, subject. */
function subjectOf(certificate: Uint8Array): DerElement | undefined {
  const fields = fieldsOf(certificate);
  return fields?.[fields[0]?.tag === EXPLICIT_VERSION ? 5 : 4];
}

/** The elements of what is signed of a certificate or a revocation list. */
function fieldsOf(signed: Uint8Array): readonly DerElement[] | undefined {
  const toBeSigned = sequenceOf(readDer(signed))?.[0];
  return sequenceOf(toBeSigned);
}

/** The texts of one attribute of the subject, in their order. */
export function subjectTextsOf(certificate: Uint8Array, oid: string): readonly string[] {
  const attributes = (sequenceOf(subjectOf(certificate)) ?? []).flatMap((name) => derChildren(name) ?? []);
  return attributes.flatMap((attribute) => {
    const [type, value] = sequenceOf(attribute) ?? [];
    const text = type !== undefined && value !== undefined && oidOf(type) === oid ? textOf(value) : undefined;
    return text === undefined ? [] : [text];
  });
}

/** The value of an extension (RFC 5280 section 4.1.2.9); undefined: the certificate does not have it. */
export function extensionOf(certificate: Uint8Array, oid: string): DerElement | undefined {
  const explicit = fieldsOf(certificate)?.find(({ tag }) => tag === EXPLICIT_EXTENSIONS);
  const extensions = sequenceOf(explicit && derChildren(explicit)?.[0]) ?? [];
  for (const extension of extensions) {
    const [type, ...rest] = sequenceOf(extension) ?? [];
    // Between them may stand whether it is critical.
    const value = rest.at(-1);
    if (type !== undefined && value?.tag === OCTET_STRING && oidOf(type) === oid) return readDer(value.content);
  }
  return undefined;
}

function relativeNameOf(element: DerElement): string | undefined {
  if (element.tag !== SET) return undefined;
  const attributes = derChildren(element)?.map(attributeOf);
  if (attributes === undefined || attributes.length === 0) return undefined;
  return attributes.every((each) => each !== undefined) ? attributes.join('+') : undefined;
}

function attributeOf(element: DerElement): string | undefined {
  const [type, value, ...more] = sequenceOf(element) ?? [];
  if (type === undefined || value === undefined || more.length > 0) return undefined;
  const oid = oidOf(type);
  if (oid === undefined) return undefined;
  const keyword = KEYWORD_OF_OID[oid];
  const text = keyword === undefined ? undefined : textOf(value);
  return text === undefined ? `${oid}=#${Buffer.from(value.whole).toString('hex')}` : `${keyword}=${escapeValue(text)}`;
}

/**
 * RFC 4514 section 2.4. Control characters and every white space but the plain one are written as hexadecimal digits too,
 * which keeps the text fit for a log, and readers from taking them for padding.
 */
function escapeValue(value: string): string {
  return value
    .replaceAll(/^[ #]|["+,;<>\\]| $/g, String.raw`\$&`)
    .replaceAll(/\p{Cc}|[^\S ]/gu, (char) => Buffer.from(char).toString('hex').replaceAll(/../g, String.raw`\$&`));
}

const INTEGER = 0x02;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
// RFC 5280 section 4.1.2.5.1: a year of two digits is of this century below it.
const CENTURY_FROM = 50;

/**
 * The `nextUpdate` of a revocation list (RFC 5280 section 5.1.2.5), after which TLS refuses every certificate of its authority.
 * Does not verify its signature.
 *
 * @param pem of one list
 * @returns in milliseconds since the epoch; undefined where it is absent, or the text is not a revocation list
 */
export function nextUpdateMsOf(pem: string): number | undefined {
  const fields = fieldsOf(Buffer.from(pem.replaceAll(/-----[^-]*-----/g, ''), 'base64'));
  if (fields === undefined) return undefined;
  // Version, where it is given, then signature, issuer, thisUpdate, nextUpdate.
  const next = fields[fields[0]?.tag === INTEGER ? 4 : 3];
  return next && timeOf(next.tag, Buffer.from(next.content).toString('latin1'));
}

function timeOf(tag: number, text: string): number | undefined {
  const digits = tag === UTC_TIME ? `${Number(text.slice(0, 2)) < CENTURY_FROM ? '20' : '19'}${text}` : text;
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) return undefined;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [year = 0, month = 1, day, hour, minute, second] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
