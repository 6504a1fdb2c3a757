// Reads DER (X.690), as certificates and revocation lists have it. Everything has a limit, since others write it.

const SEQUENCE = 0x30;
const OBJECT_IDENTIFIER = 0x06;
export const OCTET_STRING = 0x04;

/** One element of DER (X.690): tag, length, content. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

const LENGTH_BYTES_MAX = 3;
const CHILDREN_MAX = 1000;

/** Reads the element at the start of the bytes; undefined when there is no whole one in DER. What follows is ignored. */
export function readDer(bytes: Uint8Array): DerElement | undefined {
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
export function derChildren({ content }: DerElement): DerElement[] | undefined {
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

/** The elements of a SEQUENCE; undefined: it is none. */
export function sequenceOf(element: DerElement | undefined): DerElement[] | undefined {
  return element?.tag === SEQUENCE ? derChildren(element) : undefined;
}

/** An object identifier (X.690 section 8.19); undefined: it is none. */
export function oidOf({ tag, content: bytes }: DerElement): string | undefined {
  if (tag !== OBJECT_IDENTIFIER) return undefined;
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

/** A text; undefined for values that are not text, or in an alphabet without an agreed reading (TeletexString). */
export function textOf({ tag, content }: DerElement): string | undefined {
  try {
    if (UTF8_TAGS.has(tag)) return utf8.decode(content);
    return tag === BMP_STRING ? utf16.decode(content) : undefined;
  } catch {
    return undefined;
  }
}
