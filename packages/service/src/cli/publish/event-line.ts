import { createHash } from 'node:crypto';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { eventIdOf } from '../../operator/cloud-events.ts';

/** A place between two lines of the input. */
export interface Position {
  /** Bytes before it. */
  readonly offsetBytes: number;
  /** Lines before it. */
  readonly lines: number;
  /** SHA-256 of all bytes before it, hexadecimal. */
  readonly sha256: string;
}

/** A line as it stands in the file. */
export interface RawLine {
  /** From 1. */
  readonly number: number;
  /** Without its end. */
  readonly bytes: Uint8Array;
  /** Where it begins: a run that stops at this line goes on here. */
  readonly start: Position;
}

/** The fault of a line. */
export interface BadLine extends RawLine {
  readonly kind: 'bad';
  /** The field that is wrong; undefined: the line as a whole. */
  readonly field?: string;
  /** A sentence: what is wrong, and what to do. */
  readonly why: string;
}

/** A line with an event in it, which nobody has checked yet. */
export interface EventLine extends RawLine {
  readonly kind: 'event' | 'cloud-event';
  /** The id that the service will know the event by; undefined where it will refuse it anyway. */
  readonly eventId: string | undefined;
  /** The event that is sent for it. */
  readonly sent: Uint8Array;
}

const DERIVED_HEX_CHARACTERS = 40;

/** Reads a line as far as it must be known to be sent: the service checks the rest. */
export function readEventLine(line: RawLine, areIdsDerived: boolean): EventLine | BadLine {
  const parsed = parse(line);
  if ('bad' in parsed) return parsed.bad;
  const { value } = parsed;
  const kind = Object.hasOwn(value, 'specversion') ? 'cloud-event' : 'event';
  // A CloudEvent whose id is null has none.
  if (value['id'] !== undefined && value['id'] !== null) {
    return { ...line, kind, eventId: idOf(value, kind), sent: line.bytes };
  }
  if (!areIdsDerived) {
    const why = 'id is missing; give each event an id of its own, or let --derive-ids make it';
    return { ...line, kind: 'bad', field: 'id', why: `${why}.` };
  }
  const whole = { ...value, id: derivedId(line) };
  return { ...line, kind, eventId: idOf(whole, kind), sent: new TextEncoder().encode(JSON.stringify(whole)) };
}

/** The same line at the same place of a file has the same id. */
function derivedId({ number, bytes }: RawLine): string {
  const hex = createHash('sha256').update(`${number}\n`).update(bytes).digest('hex');
  return `line-${number}-${hex.slice(0, DERIVED_HEX_CHARACTERS)}`;
}

function parse(line: RawLine): { readonly value: Record<string, unknown> } | { readonly bad: BadLine } {
  const bad = (why: string, field?: string) => {
    return { bad: { ...line, kind: 'bad', why, ...(field !== undefined && { field }) } } as const;
  };
  try {
    const value = parseStrictJson(line.bytes);
    if (isJsonObject(value)) return { value };
    return bad('The line must be one event, which is a JSON object; write one event a line.');
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const { path, message } = error;
    return path === '' ? bad(`The line ${message}; write one event a line.`) : bad(`${path} ${message}.`, path);
  }
}

function idOf({ id, source }: Record<string, unknown>, kind: EventLine['kind']): string | undefined {
  if (typeof id !== 'string') return undefined;
  if (kind === 'event') return id;
  return typeof source === 'string' ? eventIdOf({ source, id }) : undefined;
}
