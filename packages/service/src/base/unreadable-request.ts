import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { INTERACTION_ID_HEADER, interactionIdOf } from '@tidings/protocol';
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

/** An error of Node's parser about a request that it cannot parse. */
interface ParserError extends Error {
  readonly code?: string;
  /** The bytes that it was parsing. */
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

// Time for the answer to reach the peer; a connection that is not closed by then is destroyed.
const LINGER_MS = 1000;

// RFC 9112 section 3, of an HTTP version that Node can parse: the path, and the header lines after it.
const REQUEST_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ ([^ ?\r\n]+)[^ \r\n]* HTTP\/1\.[01]\r?\n([\s\S]*)/;
const INTERACTION_ID_LINES = new RegExp(`^${INTERACTION_ID_HEADER}:[ \\t]*(\\S*)[ \\t]*\\r?$`, 'gim');

/**
 * Answers requests that Node's parser cannot parse: a status and `x-fapi-interaction-id`, without a body, and the connection
 * is closed. A connection on which the TLS handshake fails is closed without an answer. A method that the parser does not
 * know is answered 405 with `Allow`.
 */
export function createUnreadableRequestHandler({
  clock,
  random,
  allowedAt,
}: {
  readonly clock: Pick<Clock, 'after'>;
  readonly random: Pick<Random, 'uuid'>;
  /** The methods of a path, as the value of `Allow`. */
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
  /** The request whose body was being read, if there is one. */
  const underWay = (socket: Socket) => {
    const exchange = latest.get(socket);
    return exchange?.request.complete === false ? exchange : undefined;
  };
  return {
    /** Remembers the latest request of a connection. */
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
      // Once a request is answered, nobody may be reading the rest of its body.
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

/** Undefined when the bytes hold no whole request line. */
function requestWithUnknownMethod({ rawPacket, bytesParsed = 0 }: ParserError) {
  const text = Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : '';
  // Other requests may precede it.
  const [, path, rest = ''] = REQUEST_LINE.exec(text.slice(text.lastIndexOf('\n', bytesParsed - 1) + 1)) ?? [];
  if (path === undefined) return undefined;
  const [head = ''] = rest.split(/\r?\n\r?\n/);
  const [id, ...more] = [...head.matchAll(INTERACTION_ID_LINES)].map(([, value]) => value);
  return { path, interactionId: more.length === 0 ? id : undefined };
}
