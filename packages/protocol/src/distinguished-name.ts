import { isLongerThan } from './text.ts';

/** One attribute of a relative distinguished name, normalised for comparison. */
type Attribute = string;
/** The attributes of one relative distinguished name, sorted. */
type RelativeName = readonly Attribute[];

// RFC 4514 section 3, and the attributes of Open Banking and eIDAS certificates.
const OID_OF_KEYWORD: Readonly<Record<string, string>> = {
  CN: '2.5.4.3',
  SERIALNUMBER: '2.5.4.5',
  C: '2.5.4.6',
  L: '2.5.4.7',
  ST: '2.5.4.8',
  STREET: '2.5.4.9',
  O: '2.5.4.10',
  OU: '2.5.4.11',
  BUSINESSCATEGORY: '2.5.4.15',
  ORGANIZATIONIDENTIFIER: '2.5.4.97',
  DC: '0.9.2342.19200300.100.1.25',
  UID: '0.9.2342.19200300.100.1.1',
  EMAILADDRESS: '1.2.840.113549.1.9.1',
};

/**
 * Longer texts are not parsed: Unicode normalisation takes quadratic time on runs of combining marks, and `iss` is
 * compared before the signature is verified.
 */
const CHARS_MAX = 4096;

const ATTRIBUTE_TYPE = /^\s*(?:OID\.)?([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=/i;

/**
 * Whether two distinguished names in the text form of RFC 4514 name the same subject. RDNs are compared in order,
 * attribute types by OID (`2.5.4.97` is `organizationIdentifier`), and values without regard to case and runs of spaces
 * (caseIgnoreMatch, RFC 4518). A value written as `#` and hexadecimal digits is decoded: RFC 4514 section 2.4 requires
 * this form for types without a keyword, such as organizationIdentifier. Texts that do not parse are never equal.
 */
export function sameDistinguishedName(left: string, right: string): boolean {
  const leftNames = parseDistinguishedName(left);
  const rightNames = parseDistinguishedName(right);
  if (leftNames === undefined || rightNames === undefined) return false;
  return JSON.stringify(leftNames) === JSON.stringify(rightNames);
}

/** @returns the relative distinguished names in order; undefined when the text is not a distinguished name */
function parseDistinguishedName(text: string): readonly RelativeName[] | undefined {
  if (isLongerThan(text, CHARS_MAX) || !text.isWellFormed()) return undefined;
  const names: RelativeName[] = [];
  let current: Attribute[] = [];
  let rest = text;
  while (true) {
    const type = ATTRIBUTE_TYPE.exec(rest);
    if (type?.[1] === undefined) return undefined;
    const oid = OID_OF_KEYWORD[type[1].toUpperCase()] ?? type[1].toUpperCase();
    const parsed = takeValue(rest.slice(type[0].length));
    if (parsed === undefined) return undefined;
    current.push(`${oid}=${normaliseValue(parsed.value)}`);
    if (parsed.separator !== '+') {
      names.push(current.sort());
      current = [];
    }
    if (parsed.separator === '') return names;
    rest = parsed.rest;
  }
}

interface ParsedValue {
  readonly value: string;
  readonly separator: ',' | '+' | '';
  readonly rest: string;
}

function takeValue(text: string): ParsedValue | undefined {
  if (/^\s*#/.test(text)) return takeHexString(text);
  const bytes: number[] = [];
  const utf8 = new TextEncoder();
  let at = 0;
  for (; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === ',' || char === '+') break;
    if (char === '"' || char === ';' || char === '<' || char === '>') return undefined;
    if (char !== '\\') {
      const whole = String.fromCodePoint(text.codePointAt(at) ?? 0);
      bytes.push(...utf8.encode(whole));
      at += whole.length - 1;
      continue;
    }
    const hex = /^[0-9a-f]{2}/i.exec(text.slice(at + 1))?.[0];
    const escaped = text.charAt(at + 1);
    if (hex !== undefined) bytes.push(Number.parseInt(hex, 16));
    else if (escaped === '') return undefined;
    else bytes.push(...utf8.encode(escaped));
    at += hex === undefined ? 1 : 2;
  }
  return endValue(decodeUtf8(new Uint8Array(bytes)), text, at);
}

const HEX_STRING = /^\s*#((?:[0-9a-f]{2})+)\s*(?=[,+]|$)/i;
// UTF8String, PrintableString and IA5String, all read as UTF-8.
const STRING_TAGS: ReadonlySet<number> = new Set([0x0c, 0x13, 0x16]);

function takeHexString(text: string): ParsedValue | undefined {
  const [whole, digits] = HEX_STRING.exec(text) ?? [];
  if (whole === undefined || digits === undefined) return undefined;
  return endValue(
    readDerString(Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))),
    text,
    whole.length,
  );
}

/** Reads one DER string of at most 255 bytes. */
function readDerString(der: Uint8Array): string | undefined {
  const [tag = 0, shortLength = 0, longLength] = der;
  const isLong = shortLength === 0x81;
  const length = isLong ? longLength : shortLength;
  const start = isLong ? 3 : 2;
  if (!STRING_TAGS.has(tag) || (shortLength >= 0x80 && !isLong) || length !== der.length - start) return undefined;
  return decodeUtf8(der.subarray(start));
}

function endValue(value: string | undefined, text: string, at: number): ParsedValue | undefined {
  if (value === undefined) return undefined;
  const separator = text.charAt(at);
  return { value, separator: separator === ',' || separator === '+' ? separator : '', rest: text.slice(at + 1) };
}

/** Returns undefined for invalid UTF-8: with replacement characters, different names would become equal. */
function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function normaliseValue(value: string): string {
  return value.normalize('NFKC').trim().replaceAll(/\s+/g, ' ').toLowerCase();
}
