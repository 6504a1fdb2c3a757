/** A parsed media type. */
export interface MediaType {
  /** Type and subtype in lower case, such as `application/json`. */
  readonly essence: string;
  /** Values by lower-case name; values are unquoted and otherwise unchanged. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const ESSENCE = new RegExp(`${TOKEN}/${TOKEN}`, 'y');
// RFC 9110 section 5.6.6: a parameter may be empty. Space around "=" is a common, harmless error of senders.
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(?:(${TOKEN})[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[\\t !\\x23-\\x5b\\x5d-\\x7e\\x80-\\uffff]|\\\\[\\t -\\x7e\\x80-\\uffff])*)"))?`,
  'y',
);

/**
 * Parses the value of `Content-Type` (RFC 9110 section 8.3.1). Parameters may be empty, as in `application/json;`.
 *
 * @returns undefined when the value is absent, is not a media type, or repeats a parameter
 */
export function parseMediaType(value: string | null | undefined): MediaType | undefined {
  const text = (value ?? '').replace(/^[ \t]+/, '');
  ESSENCE.lastIndex = 0;
  const essence = ESSENCE.exec(text)?.[0];
  if (essence === undefined) return undefined;
  const parameters = new Map<string, string>();
  let at = essence.length;
  for (;;) {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(text);
    if (found === null) break;
    at = PARAMETER.lastIndex;
    const [, name, token, quoted] = found;
    if (name === undefined) continue;
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), token ?? quoted?.replaceAll(/\\(.)/gs, '$1') ?? '');
  }
  return /^[ \t]*$/.test(text.slice(at)) ? { essence: essence.toLowerCase(), parameters } : undefined;
}

/** Whether a text of this type is UTF-8: its charset is UTF-8 or absent. */
export function isUtf8({ parameters }: MediaType): boolean {
  return (parameters.get('charset') ?? 'utf-8').toLowerCase() === 'utf-8';
}

/**
 * Whether `Content-Encoding` is absent, empty or `identity` (RFC 9110 section 8.4). Any other content coding is
 * unsupported, and the response is 415.
 *
 * @param value of a repeated header: the values joined by commas
 */
export function isIdentityEncoding(value: string | null | undefined): boolean {
  return (value ?? '').split(',').every((coding) => /^[ \t]*(?:identity)?[ \t]*$/i.test(coding));
}
