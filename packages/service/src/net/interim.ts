import type { Socket } from 'node:net';

const STATUS_LINE = 'HTTP/1.1 100';
const [CR, LF, ZERO, ONE, TWO] = [0x0d, 0x0a, 0x30, 0x31, 0x32];
const MINOR_VERSION_AT = STATUS_LINE.indexOf('1 ');
const STATUS_AT = STATUS_LINE.indexOf('100');

/** Too many informational responses to one request. */
class InterimOverflowError extends Error {
  override readonly name = 'InterimOverflowError';
  readonly code = 'INTERIM_OVERFLOW';
}

/**
 * Lets a client of undici read any number of informational responses before the final one, as RFC 9110 section 15.2 demands.
 * undici closes the connection at an unsolicited `100 Continue`. This changes `100` to `102` as the bytes come from the socket,
 * which means as little and which undici skips. Only the heads of informational responses are read: from the first other status
 * until the next request is written, the bytes are passed on unread. Requests must not be pipelined.
 *
 * @param bytesMax limit on all informational responses to one request, beyond which the socket is destroyed with
 *   {@link InterimOverflowError}
 */
export function acceptUnaskedContinue(socket: Socket, bytesMax: number): void {
  const heads = new InterimHeads();
  const { write, read } = socket;
  socket.write = new Proxy(write, {
    apply: (_, __, given) => {
      heads.expect();
      return Reflect.apply(write, socket, given);
    },
  });
  socket.read = (size) => {
    const chunk: unknown = read.call(socket, size);
    if (chunk instanceof Uint8Array) heads.pass(chunk);
    if (heads.bytes > bytesMax) socket.destroy(new InterimOverflowError('too many informational responses'));
    return chunk;
  };
}

/** Parses the heads of informational responses in a stream of bytes. */
class InterimHeads {
  #isExpected = false;
  /** Position in the status line; undefined in the rest of an informational head. */
  #at: number | undefined = 0;
  #isContinue = false;
  #isLineEmpty = false;
  #bytes = 0;

  /** Size of the informational heads since the last request. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A request was written: the head of a response comes next. */
  expect(): void {
    this.#isExpected = true;
    this.#at = 0;
    this.#bytes = 0;
  }

  /** Reads the next bytes, and changes the last digit of each `100` in them. */
  pass(bytes: Uint8Array): void {
    for (let place = 0; this.#isExpected && place < bytes.length; place += 1) {
      const byte = bytes[place] ?? 0;
      if (this.#at === undefined) this.#passInHead(byte);
      else if (this.#passInStatusLine(byte, this.#at)) bytes[place] = TWO;
    }
  }

  #passInHead(byte: number): void {
    this.#bytes += 1;
    if (byte === LF && this.#isLineEmpty) this.#at = 0;
    if (byte !== CR) this.#isLineEmpty = byte === LF;
  }

  /** @returns whether the byte is the last of a `100` */
  #passInStatusLine(byte: number, at: number): boolean {
    // Parsers skip empty lines before a status line.
    if (at === 0 && (byte === CR || byte === LF)) return false;
    if (at === STATUS_AT + 2) {
      this.#at = undefined;
      this.#isLineEmpty = false;
      this.#bytes += STATUS_LINE.length;
      return byte === ZERO && this.#isContinue;
    }
    const isVersion = at === MINOR_VERSION_AT && (byte === ZERO || byte === ONE);
    if (at === STATUS_AT + 1) this.#isContinue = byte === ZERO;
    else if (!isVersion && byte !== STATUS_LINE.charCodeAt(at)) {
      // A final response, or not HTTP: left to the parser.
      this.#isExpected = false;
      return false;
    }
    this.#at = at + 1;
    return false;
  }
}
