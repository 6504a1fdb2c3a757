import { createHash, type Hash } from 'node:crypto';
import { createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { systemErrorCode } from '../../base/start-up-error.ts';
import { eventIdOf } from '../../operator/cloud-events.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from '../cli-error.ts';

/** The input of publishing: a file or a pipe. */
export interface Input {
  /** For messages. */
  readonly name: string;
  /** Undefined if publishing cannot be resumed. */
  readonly file: string | undefined;
  /** Undefined: unknown. */
  readonly sizeBytes: number | undefined;
  /** The bytes from an offset on. May be called once. */
  read(offsetBytes: number): Readable;
  /** Hashes the bytes before an offset. @returns undefined if there are fewer */
  hash(offsetBytes: number): Hash | undefined;
}

const CHUNK_BYTES = 262_144;

/** Opens the input; `-` is standard input. @throws {CliError} */
export function openInput(file: string): Input {
  if (file === '-') {
    if (process.stdin.isTTY) {
      throw new CliError(EXIT_CONFIGURATION, 'Give the file to publish, or send the events to standard input.');
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
    if (stat.isDirectory()) throw new CliError(EXIT_CONFIGURATION, `${file} is a folder; give a file.`);
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

/** The lines of one request. */
export interface Batch {
  /** Events of one kind, and invalid lines. May be empty at the end of a file. */
  readonly lines: readonly (EventLine | InvalidLine)[];
  /** The position behind the batch and the empty lines after it. */
  readonly end: Position;
}

/** Where reading begins; the hash covers all bytes before it. */
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
  /** Ends a batch when no more input is available yet, so that a slow pipe is published as it arrives. */
  readonly isPromptly: boolean;
}

/** Bytes in one request, unless a single line is longer: a quarter of the default limit of the service. */
export const BATCH_BYTES_MAX = 4_194_304;
/** Longest line. */
export const LINE_BYTES_MAX = 1_048_576;

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const EMPTY = new Uint8Array();

/**
 * Splits an input into batches. Reads no further than the consumer asks for.
 *
 * @throws {CliError} at a line longer than {@link LINE_BYTES_MAX}, after the batches before it
 */
export async function* readBatches(
  chunks: AsyncIterable<Uint8Array>,
  start: Start,
  options: BatchOptions,
): AsyncGenerator<Batch> {
  const builder = new BatchBuilder(start, options);
  let rest: Uint8Array = EMPTY;
  for await (const chunk of chunks) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let from = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
      yield* builder.add(bytes.subarray(from, end + 1));
      from = end + 1;
    }
    rest = bytes.subarray(from);
    if (rest.length > LINE_BYTES_MAX) yield* builder.add(rest);
    if (options.isPromptly) yield* builder.cut();
  }
  if (rest.length > 0) yield* builder.add(rest);
  yield* builder.cut();
}

/** Collects lines until they fill a batch. */
class BatchBuilder {
  readonly #options: BatchOptions;
  readonly #hash: Hash;
  #offsetBytes: number;
  #number: number;
  #cutAtBytes: number;
  #lines: (EventLine | InvalidLine)[] = [];
  #bytes = 0;

  constructor({ offsetBytes, lines, hash }: Start, options: BatchOptions) {
    this.#options = options;
    this.#hash = hash.copy();
    this.#offsetBytes = offsetBytes;
    this.#cutAtBytes = offsetBytes;
    this.#number = lines;
  }

  /** Adds a line. @param raw with its line end @returns the batch before it, if that is full */
  *add(raw: Uint8Array): Generator<Batch> {
    const number = this.#number + 1;
    if (raw.length > LINE_BYTES_MAX) {
      yield* this.cut();
      const why = `is longer than ${LINE_BYTES_MAX} bytes; the input must be NDJSON, one event per line`;
      throw new CliError(EXIT_FAILED, `Line ${number} ${why}.`);
    }
    const bytes = withoutEnd(raw);
    if (bytes.some((byte) => !isWhiteSpace(byte))) {
      const line = readEventLine({ number, bytes, start: this.#position() }, this.#options.areIdsDerived);
      if (!this.#hasCapacityFor(line)) yield* this.cut();
      this.#lines.push(line);
      this.#bytes += raw.length;
    }
    this.#number = number;
    this.#offsetBytes += raw.length;
    this.#hash.update(raw);
  }

  #hasCapacityFor(line: EventLine | InvalidLine): boolean {
    const { linesMax } = this.#options;
    if (this.#lines.length === 0) return true;
    if (this.#lines.length >= linesMax || this.#bytes + line.bytes.length > BATCH_BYTES_MAX) return false;
    // A request has one media type.
    const kind = this.#lines.find((each) => each.kind !== 'invalid')?.kind ?? line.kind;
    return line.kind === 'invalid' || line.kind === kind;
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

/** A position between two lines of the input. */
export interface Position {
  /** Bytes before it. */
  readonly offsetBytes: number;
  /** Lines before it. */
  readonly lines: number;
  /** SHA-256 of all bytes before it, hexadecimal. */
  readonly sha256: string;
}

/** A line of the file. */
interface RawLine {
  /** From 1. */
  readonly number: number;
  /** Without its line end. */
  readonly bytes: Uint8Array;
  /** Where it begins, and where a run that stops at this line resumes. */
  readonly start: Position;
}

/** A line that cannot be published, with the reason. */
export interface InvalidLine extends RawLine {
  readonly kind: 'invalid';
  /** The invalid field; undefined: the line as a whole. */
  readonly field?: string;
  /** A sentence with the fault and the remedy. */
  readonly why: string;
}

/** A line with an event, which the service has not validated yet. */
export interface EventLine extends RawLine {
  readonly kind: 'event' | 'cloud-event';
  /** The id of the event at the service; undefined if the service will refuse it anyway. */
  readonly eventId: string | undefined;
  /** The bytes that are sent. */
  readonly sent: Uint8Array;
}

const DERIVED_HEX_CHARACTERS = 40;

/** Parses a line as far as sending requires; the service validates the rest. */
function readEventLine(line: RawLine, areIdsDerived: boolean): EventLine | InvalidLine {
  const parsed = parse(line);
  if ('invalid' in parsed) return parsed.invalid;
  const { value } = parsed;
  const kind = Object.hasOwn(value, 'specversion') ? 'cloud-event' : 'event';
  // A CloudEvent whose id is null has none.
  if (value['id'] !== undefined && value['id'] !== null) {
    return { ...line, kind, eventId: idOf(value, kind), sent: line.bytes };
  }
  if (!areIdsDerived) {
    const why = 'id is missing; give each event its own id, or use --derive-ids';
    return { ...line, kind: 'invalid', field: 'id', why: `${why}.` };
  }
  const whole = { ...value, id: derivedId(line) };
  return { ...line, kind, eventId: idOf(whole, kind), sent: new TextEncoder().encode(JSON.stringify(whole)) };
}

// Nothing resumes there.
const NOWHERE: Position = { offsetBytes: 0, lines: 0, sha256: '' };

/** Reads an event that stands in no file. @param number its place in the batch, from 1 */
export function readLoneEvent(number: number, text: string): EventLine | InvalidLine {
  return readEventLine({ number, bytes: new TextEncoder().encode(text), start: NOWHERE }, false);
}

/** The same line at the same position of a file has the same id. */
function derivedId({ number, bytes }: RawLine): string {
  const hex = createHash('sha256').update(`${number}\n`).update(bytes).digest('hex');
  return `line-${number}-${hex.slice(0, DERIVED_HEX_CHARACTERS)}`;
}

function parse(line: RawLine): { readonly value: Record<string, unknown> } | { readonly invalid: InvalidLine } {
  const invalid = (why: string, field?: string) => {
    return { invalid: { ...line, kind: 'invalid', why, ...(field !== undefined && { field }) } } as const;
  };
  try {
    const value = parseStrictJson(line.bytes);
    if (isJsonObject(value)) return { value };
    return invalid('The line must be one event, a JSON object; write one event per line.');
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    const { path, message } = error;
    return path === ''
      ? invalid(`The line ${message}; write one event per line.`)
      : invalid(`${path} ${message}.`, path);
  }
}

function idOf({ id, source }: Record<string, unknown>, kind: EventLine['kind']): string | undefined {
  if (typeof id !== 'string') return undefined;
  if (kind === 'event') return id;
  return typeof source === 'string' ? eventIdOf({ source, id }) : undefined;
}
