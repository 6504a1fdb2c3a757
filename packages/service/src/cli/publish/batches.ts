import { createHash, type Hash } from 'node:crypto';
import { CliError, EXIT_FAILED } from '../cli-error.ts';
import { type BadLine, type EventLine, type Position, readEventLine } from './event-line.ts';

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
