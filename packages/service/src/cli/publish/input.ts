import { createHash, type Hash } from 'node:crypto';
import { createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { eventIdOf } from '../../operator/cloud-events.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';

/** The input of publishing: a file, or a pipe. */
export interface Input {
  /** As people know it. */
  readonly name: string;
  /** Undefined where nothing can be gone on from. */
  readonly file: string | undefined;
  /** Undefined: nobody knows. */
  readonly sizeBytes: number | undefined;
  /** The lines behind a place. May be called once. */
  read(offsetBytes: number): Readable;
  /** Hashes what is before a place. @returns undefined when there is less */
  hash(offsetBytes: number): Hash | undefined;
}

const CHUNK_BYTES = 262_144;

/** Opens the input; `-` is standard input. @throws {CliError} */
export function openInput(file: string): Input {
  if (file === '-') {
    if (process.stdin.isTTY) {
      throw new CliError(EXIT_CONFIGURATION, 'Name the file to publish, or send the events to standard input.');
    }
    return {
      name: 'standard input',
      file: undefined,
      sizeBytes: undefined,
      read: () => process.stdin,
      hash: () => undefined,
    };
  }
  try {
    const fd = openSync(file, 'r');
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new CliError(EXIT_CONFIGURATION, `${file} is a folder; name a file.`);
    const isRegular = stat.isFile();
    return {
      name: file,
      file: isRegular ? file : undefined,
      sizeBytes: isRegular ? stat.size : undefined,
      read: (start) => createReadStream('', { fd, highWaterMark: CHUNK_BYTES, ...(isRegular && { start }) }),
      hash: (offsetBytes) => hashOf(fd, offsetBytes),
    };
  } catch (error) {
    if (error instanceof CliError) throw error;
    const code = systemErrorCode(error) ?? 'unknown';
    const why = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    throw new CliError(EXIT_CONFIGURATION, `The file ${file} ${why}.`);
  }
}

function hashOf(fd: number, offsetBytes: number): Hash | undefined {
  const hash = createHash('sha256');
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let at = 0; at < offsetBytes; ) {
    const read = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, offsetBytes - at), at);
    if (read === 0) return undefined;
    hash.update(chunk.subarray(0, read));
    at += read;
  }
  return hash;
}

/** Lines that go into one request. */
export interface Batch {
  /** Events of one kind, and lines that are none. May be empty, behind the last event of a file. */
  readonly lines: readonly (EventLine | BadLine)[];
  /** Where the input goes on behind it, empty lines included. */
  readonly end: Position;
}

/** Where reading begins: what is before it went into the hash already. */
export interface Start {
  readonly offsetBytes: number;
  readonly lines: number;
  readonly hash: Hash;
}

/** The beginning of an input. */
export const beginning = (): Start => ({ offsetBytes: 0, lines: 0, hash: createHash('sha256') });

export interface BatchOptions {
  readonly linesMax: number;
  readonly areIdsDerived: boolean;
  /** Ends a batch when nothing more has come in yet, so that a pipe that trickles is published as it comes. */
  readonly isPromptly: boolean;
}

/** Bytes in one request, unless one line alone has more: a quarter of what the service takes unless it is set. */
const BATCH_BYTES_MAX = 4_194_304;
/** Longest line. */
export const LINE_BYTES_MAX = 1_048_576;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const EMPTY = new Uint8Array();

/**
 * Cuts an input into batches. Reads no further than asked.
 *
 * @throws {CliError} at a line that is longer than {@link LINE_BYTES_MAX}, when all before it was handed out
 */
export async function* readBatches(
  chunks: AsyncIterable<Uint8Array>,
  start: Start,
  options: BatchOptions,
): AsyncGenerator<Batch> {
  const cutter = new Cutter(start, options);
  let rest: Uint8Array = EMPTY;
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      yield* cutter.add(bytes.subarray(from, end + 1));
      from = end + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > LINE_BYTES_MAX) yield* cutter.add(rest);
    if (options.isPromptly) yield* cutter.cut();
  }
  if (rest.length > 0) yield* cutter.add(rest);
  yield* cutter.cut();
}

/** Gathers lines until they make a batch. */
class Cutter {
  readonly #options: BatchOptions;
  readonly #hash: Hash;
  #offsetBytes: number;
  #number: number;
  #cutAtBytes: number;
  #lines: (EventLine | BadLine)[] = [];
  #bytes = 0;

  constructor({ offsetBytes, lines, hash }: Start, options: BatchOptions) {
    this.#options = options;
    this.#hash = hash.copy();
    this.#offsetBytes = offsetBytes;
    this.#cutAtBytes = offsetBytes;
    this.#number = lines;
  }

  /** @param raw one line with its end @returns what is full, if it is */
  *add(raw: Uint8Array): Generator<Batch> {
    const number = this.#number + 1;
    if (raw.length > LINE_BYTES_MAX) {
      yield* this.cut();
      const why = `is longer than ${LINE_BYTES_MAX} bytes; is it NDJSON, one event a line?`;
      throw new CliError(EXIT_FAILED, `Line ${number} ${why}`);
    }
    const bytes = withoutEnd(raw);
    if (bytes.some((byte) => !isWhiteSpace(byte))) {
      const line = readEventLine({ number, bytes, start: this.#position() }, this.#options.areIdsDerived);
      if (!this.#hasRoomFor(line)) yield* this.cut();
      this.#lines.push(line);
      this.#bytes += raw.length;
    }
    this.#number = number;
    this.#offsetBytes += raw.length;
    this.#hash.update(raw);
  }

  #hasRoomFor(line: EventLine | BadLine): boolean {
    const { linesMax } = this.#options;
    if (this.#lines.length === 0) return true;
    if (this.#lines.length >= linesMax || this.#bytes + line.bytes.length > BATCH_BYTES_MAX) return false;
    // One request is of one media type.
    const kind = this.#lines.find((each) => each.kind !== 'bad')?.kind ?? line.kind;
    return line.kind === 'bad' || line.kind === kind;
  }

  *cut(): Generator<Batch> {
    if (this.#offsetBytes === this.#cutAtBytes) return;
    yield { lines: this.#lines, end: this.#position() };
    this.#cutAtBytes = this.#offsetBytes;
    this.#lines = [];
    this.#bytes = 0;
  }

  #position(): Position {
    return { offsetBytes: this.#offsetBytes, lines: this.#number, sha256: this.#hash.copy().digest('hex') };
  }
}

function withoutEnd(raw: Uint8Array): Uint8Array {
  let end = raw.length;
  if (raw[end - 1] === NEWLINE) end -= 1;
  if (raw[end - 1] === CARRIAGE_RETURN) end -= 1;
  return raw.subarray(0, end);
}

function isWhiteSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN;
}

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
interface RawLine {
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
function readEventLine(line: RawLine, areIdsDerived: boolean): EventLine | BadLine {
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
