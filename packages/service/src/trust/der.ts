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
