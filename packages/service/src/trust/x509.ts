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

const SEQUENCE = 0x30;
const SET = 0x31;
const OBJECT_IDENTIFIER = 0x06;
const EXPLICIT_VERSION = 0xa0;

/**
 * The subject of a certificate as RFC 4514 writes it: the last RDN of the certificate first, attributes without a keyword
 * (organizationIdentifier) as OID and `#` with the DER of their value. Node.js gives the subject in another order and
 * form, in which names that differ can look the same.
 *
 * @param certificate DER
 * @returns empty for a certificate without a subject; undefined when the bytes are not a certificate
 */
export function subjectDnOf(certificate: Uint8Array): string | undefined {
  const name = subjectOf(certificate);
  if (name?.tag !== SEQUENCE) return undefined;
  const names = derChildren(name)?.map(relativeNameOf);
  if (names === undefined || !names.every((each) => each !== undefined)) return undefined;
  return names.reverse().join(',');
}

/** RFC 5280 section 4.1: version, where it is given, then serialNumber, signature, issuer, validity, subject. */
function subjectOf(certificate: Uint8Array): DerElement | undefined {
  const whole = readDer(certificate);
  const toBeSigned = whole?.tag === SEQUENCE ? derChildren(whole)?.[0] : undefined;
  const fields = toBeSigned?.tag === SEQUENCE ? derChildren(toBeSigned) : undefined;
  return fields?.[fields[0]?.tag === EXPLICIT_VERSION ? 5 : 4];
}

function relativeNameOf(element: DerElement): string | undefined {
  if (element.tag !== SET) return undefined;
  const attributes = derChildren(element)?.map(attributeOf);
  if (attributes === undefined || attributes.length === 0) return undefined;
  return attributes.every((each) => each !== undefined) ? attributes.join('+') : undefined;
}

function attributeOf(element: DerElement): string | undefined {
  const [type, value, ...more] = (element.tag === SEQUENCE ? derChildren(element) : undefined) ?? [];
  if (type?.tag !== OBJECT_IDENTIFIER || value === undefined || more.length > 0) return undefined;
  const oid = oidOf(type.content);
  if (oid === undefined) return undefined;
  const keyword = KEYWORD_OF_OID[oid];
  const text = keyword === undefined ? undefined : textOf(value);
  return text === undefined ? `${oid}=#${Buffer.from(value.whole).toString('hex')}` : `${keyword}=${escapeValue(text)}`;
}

/** X.690 section 8.19. */
function oidOf(bytes: Uint8Array): string | undefined {
  const numbers: number[] = [];
  let current = 0;
  for (const byte of bytes) {
    current = current * 128 + (byte & 0x7f);
    if (current > Number.MAX_SAFE_INTEGER / 128) return undefined;
    if (byte >= 0x80) continue;
    numbers.push(current);
    current = 0;
  }
  const [first, ...rest] = numbers;
  if (first === undefined || (bytes.at(-1) ?? 0) >= 0x80) return undefined;
  const root = Math.min(Math.floor(first / 40), 2);
  return [root, first - root * 40, ...rest].join('.');
}

// UTF8String, NumericString, PrintableString, IA5String, VisibleString: each is read as UTF-8.
const UTF8_TAGS: ReadonlySet<number> = new Set([0x0c, 0x12, 0x13, 0x16, 0x1a]);
const BMP_STRING = 0x1e;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf16 = new TextDecoder('utf-16be', { fatal: true, ignoreBOM: true });

/** Undefined for values that are not text, or in an alphabet without an agreed reading (TeletexString). */
function textOf({ tag, content }: DerElement): string | undefined {
  try {
    if (UTF8_TAGS.has(tag)) return utf8.decode(content);
    return tag === BMP_STRING ? utf16.decode(content) : undefined;
  } catch {
    return undefined;
  }
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

/** One element of DER (X.690): tag, length, content. */
interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

const LENGTH_BYTES_MAX = 3;
const CHILDREN_MAX = 1000;

/** Reads the element at the start of the bytes; undefined when there is no whole one in DER. What follows is ignored. */
function readDer(bytes: Uint8Array): DerElement | undefined {
  const [tag, first] = bytes;
  // Tags of more than one byte do not occur in certificates.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  // The indefinite length (0x80) is BER and not DER.
  if (first === 0x80 || lengthBytes > LENGTH_BYTES_MAX || bytes.length < 2 + lengthBytes) return undefined;
  const start = 2 + lengthBytes;
  const length = lengthBytes === 0 ? first : bytes.subarray(2, start).reduce((sum, byte) => sum * 256 + byte, 0);
  if (bytes.length < start + length) return undefined;
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(0, start + length) };
}

/** The elements that a constructed element consists of; undefined when they do not fill it exactly. */
function derChildren({ content }: DerElement): DerElement[] | undefined {
  const children: DerElement[] = [];
  let rest = content;
  while (rest.length > 0) {
    const child = readDer(rest);
    if (child === undefined || children.length >= CHILDREN_MAX) return undefined;
    children.push(child);
    rest = rest.subarray(child.whole.length);
  }
  return children;
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
  const list = readDer(Buffer.from(pem.replaceAll(/-----[^-]*-----/g, ''), 'base64'));
  const toBeSigned = list?.tag === SEQUENCE ? derChildren(list)?.[0] : undefined;
  const fields = toBeSigned?.tag === SEQUENCE ? derChildren(toBeSigned) : undefined;
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
