import { type DerElement, derChildren, readDer } from './der.ts';

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
 * @returns empty for a certificate without a subject; undefined when this is no DER of a certificate
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

/** Undefined for what is no text, or one in an alphabet whose reading is disputed (TeletexString). */
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
