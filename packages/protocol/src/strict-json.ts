import { jsonFaultLine } from './json-fault.ts';
import { cutText, fitText, textFault } from './text.ts';

/** A text that is not acceptable JSON. `message` may be shown to its sender. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  /** Path of the rejected value, such as `Data.EventTypes[0]`; empty for the whole text. */
  readonly path: string;

  /** @param message the reason, to follow the path or the name of the whole text */
  constructor(message: string, path = '') {
    super(message);
    this.path = path;
  }
}

/** Options of {@link parseStrictJson}. */
export interface StrictJsonOptions {
  /** Accept strings that cannot be stored or signed unchanged (see {@link textFault}); for data that is only read. */
  readonly acceptsUnfitTexts?: boolean;
}

/** Maximum nesting of objects and arrays. */
export const JSON_DEPTH_MAX = 32;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses JSON as strictly as a security protocol requires: UTF-8 only, no byte order mark, no duplicate member in any
 * object, bounded depth. `JSON.parse` keeps the last of two equal members where other parsers keep the first, so two
 * readers of one signed text would see different claims (RFC 8259 section 4; rules, section 5). For the same reason no
 * string, and no member name, may contain an unpaired surrogate or U+0000 (see {@link textFault}).
 *
 * Does not limit the size: the caller limits the bytes before reading them.
 *
 * @throws {StrictJsonError} when the text is rejected
 */
export function parseStrictJson(bytes: Uint8Array, { acceptsUnfitTexts = false }: StrictJsonOptions = {}): unknown {
  const text = decodeUtf8(bytes);
  if (text.startsWith('\uFEFF')) throw new StrictJsonError('must not start with a byte order mark');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrictJsonError(text.includes('\n') ? `is not JSON (line ${jsonFaultLine(text)})` : 'is not JSON');
  }
  rejectDuplicateMembers(text);
  // In UTF-8 only an escape sequence can produce such a string, so most bodies need no walk.
  if (!acceptsUnfitTexts && UNFIT_ESCAPE.test(text)) rejectUnfitTexts(value, '');
  return value;
}

const UNFIT_ESCAPE = /\\u(?:0000|[dD][89a-fA-F])/;
const NAME_CHARS_MAX = 100;

/** The depth has already been limited. */
function rejectUnfitTexts(value: unknown, path: string): void {
  if (typeof value === 'string') {
    const fault = textFault(value);
    if (fault !== undefined) throw new StrictJsonError(fault, path);
  } else if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) rejectUnfitTexts(item, `${path}[${at}]`);
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      const shown = fitText(cutText(name, NAME_CHARS_MAX));
      const inside = path === '' ? shown : `${path}.${shown}`;
      const fault = textFault(name);
      if (fault !== undefined) throw new StrictJsonError(`has a member name that ${fault}`, inside);
      rejectUnfitTexts(member, inside);
    }
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new StrictJsonError('is not UTF-8');
  }
}

/** Scans a text that `JSON.parse` accepted: strings are terminated and brackets match. */
function rejectDuplicateMembers(text: string): void {
  // One entry per open bracket: the member names seen so far for an object, undefined for an array.
  const open: (Set<string> | undefined)[] = [];
  let nameComesNext = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charAt(at)) {
      case '"': {
        const end = endOfString(text, at);
        if (nameComesNext) rememberMember(open.at(-1), text.slice(at, end + 1));
        nameComesNext = false;
        at = end;
        break;
      }
      case '{':
      case '[':
        nameComesNext = text.charAt(at) === '{';
        open.push(nameComesNext ? new Set() : undefined);
        if (open.length > JSON_DEPTH_MAX) throw new StrictJsonError(`is nested deeper than ${JSON_DEPTH_MAX} levels`);
        break;
      case '}':
      case ']':
        open.pop();
        nameComesNext = false;
        break;
      case ',':
        nameComesNext = open.at(-1) !== undefined;
        break;
    }
  }
}

function endOfString(text: string, start: number): number {
  // Most characters of a large body are in strings, which the built-in search skips many times faster.
  let at = text.indexOf('"', start + 1);
  while (isEscaped(text, at)) at = text.indexOf('"', at + 1);
  return at;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

const BACKSLASH = 0x5c;

function rememberMember(seen: Set<string> | undefined, literal: string): void {
  // Unescaped, because "\u0061" and "a" are the same member.
  const name = literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
  if (seen?.has(name))
    throw new StrictJsonError(`has the member ${JSON.stringify(cutText(name, NAME_CHARS_MAX))} twice`);
  seen?.add(name);
}

/** Whether a value is a JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
