import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { INTERACTION_ID_HEADER, interactionIdOf } from '@tidings/protocol';
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** The error of Node's parser about a request that it cannot read. */
interface ParserError extends Error {
  readonly code?: string;
  /** The bytes that it was reading. */
  readonly rawPacket?: unknown;
  readonly bytesParsed?: number;
}

interface Answer {
  readonly status: string;
  readonly headers?: readonly string[];
  readonly interactionId?: string | readonly string[] | undefined;
}

const STATUSES: Readonly<Record<string, string>> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Content Too Large',
};

// What it was told may still be on its way to a peer; one that does not hang up then is hung up on.
const LINGER_MS = 1000;

// RFC 9112 section 3, of a version that Node can read: the path, and the header lines behind it.
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ ([^ ?\r\n]+)[^ \r\n]* HTTP\/1\.[01]\r?\n([\s\S]*)/;
const INTERACTION_ID_LINES = new RegExp(`^${INTERACTION_ID_HEADER}:[ \\t]*(\\S*)[ \\t]*\\r?$`, 'gim');

/**
 * Answers what Node's parser cannot read: a status with `x-fapi-interaction-id` and nothing else, and the connection ends.
 * A connection that is not even TLS just ends. A method that the parser does not know is 405 with `Allow`.
 */
export function createUnreadableRequestHandler({
  clock,
  random,
  allowedAt,
}: {
  readonly clock: Pick<Clock, 'after'>;
  readonly random: Pick<Random, 'uuid'>;
  /** Which methods there are at a path, as `Allow` has them. */
  readonly allowedAt: (path: string) => string;
}) {
  const latest = new WeakMap<Socket, { readonly request: IncomingMessage; readonly response: ServerResponse }>();
  const answer = (socket: Socket, { status, headers = [], interactionId }: Answer) => {
    socket.once(
      'close',
      clock.after(LINGER_MS, () => socket.destroy()),
    );
    const id = interactionIdOf(interactionId, () => random.uuid());
    const lines = ['connection: close', 'content-length: 0', ...headers, `${INTERACTION_ID_HEADER}: ${id}`];
    socket.end(`HTTP/1.1 ${status}\r\n${lines.join('\r\n')}\r\n\r\n`);
  };
  /** The request whose body could not be read, if it is that. */
  const underWay = (socket: Socket) => {
    const exchange = latest.get(socket);
    return exchange?.request.complete === false ? exchange : undefined;
  };
  return {
    /** Takes note of the request that a connection is at. */
    follow: (request: IncomingMessage, response: ServerResponse): void => {
      latest.set(request.socket, { request, response });
    },
    /** Answers a connection on which no request came in time. */
    onLate: (socket: Socket): void => {
      if (socket.writable) answer(socket, { status: '408 Request Timeout' });
    },
    onError: (error: ParserError, socket: Socket): void => {
      const { code = '' } = error;
      const exchange = underWay(socket);
      // A request has one answer, and its body may be what was not read because of it.
      const isAnswered = exchange?.response.headersSent === true;
      if (!/^(?:HPE_|ERR_HTTP_)/.test(code) || !socket.writable || isAnswered) {
        socket.destroy();
        return;
      }
      const unknown = code === 'HPE_INVALID_METHOD' ? requestWithUnknownMethod(error) : undefined;
      if (unknown !== undefined) {
        const { path, interactionId } = unknown;
        answer(socket, { status: '405 Method Not Allowed', headers: [`allow: ${allowedAt(path)}`], interactionId });
        return;
      }
      const header = exchange?.request.headers[INTERACTION_ID_HEADER];
      answer(socket, { status: STATUSES[code] ?? '400 Bad Request', interactionId: header });
    },
  };
}

/** Undefined for what is no request line, or not all of one. */
function requestWithUnknownMethod({ rawPacket, bytesParsed = 0 }: ParserError) {
  const text = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : '';
  // Other requests may stand before it.
  const [, path, rest = ''] = REQUEST_LINE.exec(text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)) ?? [];
  if (path === undefined) return undefined;
  const [head = ''] = rest.split(/\r?\n\r?\n/);
  const [id, ...more] = [...head.matchAll(INTERACTION_ID_LINES)].map(([, value]) => value);
  return { path, interactionId: more.length === 0 ? id : undefined };
}
