import { cutText, fitText, textFault } from './text.ts';

/** Why a text was not accepted as JSON. `message` is fit to be shown to whoever sent the text. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
  /** The value that is not accepted, as in `Data.EventTypes[0]`; empty for the text as a whole. */
  readonly path: string;

  /** @param message to be read after the path, or after the name of the whole */
  constructor(message: string, path = '') {
    super(message);
    this.path = path;
  }
}

/** Options of {@link parseStrictJson}. */
export interface StrictJsonOptions {
  /** Accept texts that can be neither kept nor signed as they are. For what is only read and passed on. */
  readonly acceptsUnfitTexts?: boolean;
}

/** Objects and arrays nested deeper than this are refused. */
export const JSON_DEPTH_MAX = 32;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses JSON as a security protocol must: UTF-8 only, no byte order mark, no duplicate member in any object, bounded
 * depth. `JSON.parse` keeps the last of two equal members where other parsers keep the first, so that two readers of
 * one signed text would see different claims (RFC 8259 section 4; rules of the standard, section 5). For the same reason
 * no text may hold half of a surrogate pair or U+0000 (see {@link textFault}), the names of members included.
 *
 * Does not limit the size: the caller bounds the bytes before it reads them.
 *
 * @throws {StrictJsonError} when the text is refused
 */
export function parseStrictJson(bytes: Uint8Array, { acceptsUnfitTexts = false }: StrictJsonOptions = {}): unknown {
  const text = decodeUtf8(bytes);
  if (text.startsWith('\uFEFF')) throw new StrictJsonError('must not start with a byte order mark');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new StrictJsonError('is not JSON');
  }
  rejectDuplicateMembers(text);
  // In UTF-8 only an escape can make such a text: most bodies are not walked.
  if (!acceptsUnfitTexts && UNFIT_ESCAPE.test(text)) rejectUnfitTexts(value, '');
  return value;
}

const UNFIT_ESCAPE = /\\u(?:0000|[dD][89a-fA-F])/;
const NAME_CHARS_MAX = 100;

/** The depth is bounded by now. */
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
      if (fault !== undefined) throw new StrictJsonError(`has a name that ${fault}`, inside);
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

/** Walks a text that `JSON.parse` accepted, so strings end where they should and brackets match. */
function rejectDuplicateMembers(text: string): void {
  // One entry per open bracket: the member names seen so far in an object, undefined for an array.
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
  // Most characters of a large body are within strings: the engine's own search goes over them many times as fast.
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
  // Decoded, because "\u0061" and "a" are the same member.
  const name = literal.includes('\\') ? String(JSON.parse(literal)) : literal.slice(1, -1);
  if (seen?.has(name))
    throw new StrictJsonError(`has the member ${JSON.stringify(cutText(name, NAME_CHARS_MAX))} twice`);
  seen?.add(name);
}

/** True for a JSON object: not null, not an array. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
