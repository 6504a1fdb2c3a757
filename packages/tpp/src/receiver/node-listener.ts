import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageFault } from '@tidings/protocol';
import { createProblemLog, type Problem, type ProblemLogOptions } from '../notification/problem-log.ts';
import type { Receiver } from './receiver.ts';

// Only the path matters: of several banks, a receiver finds the one whose callback URL was called.
const ORIGIN = 'https://receiver.invalid';

const FAILURE: Problem = {
  what: 'a request to the callback URL was not answered',
  code: 'listener_failed',
  message: 'The receiver failed.',
  remedy:
    'The bank delivers the notification again. If the cause is not in your own code, report it to the maintainers.',
};

/**
 * Adapts a receiver to `node:http` and `node:https`: `https.createServer({ cert, key }, nodeListener(receiver))`.
 *
 * The request body must not have been read: behind a body parser every notification gets 500, and `onRefused` is called
 * with `body_already_read`.
 *
 * Does not route: pass it only requests to the callback URL. Does not limit time: set `requestTimeout` and
 * `headersTimeout` of the server, for example to 10 000 ms. Otherwise a slow client holds a connection for the five
 * minutes that Node.js allows. The connection is closed after a refusal that left the body unread, and after an
 * ambiguous request (request smuggling).
 *
 * @param log where a request is reported that could not be answered because the receiver itself failed
 */
export function nodeListener(
  receiver: Receiver,
  log: ProblemLogOptions = {},
): (request: IncomingMessage, response: ServerResponse) => void {
  const print = createProblemLog(log);
  return (request, response) => {
    serve(receiver, request, response).catch((cause) => {
      print({ ...FAILURE, cause });
      response.destroy();
    });
  };
}

async function serve(receiver: Receiver, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const request = toRequest(incoming);
  if (isBodyGone(incoming)) await request.body?.cancel();
  const response = await receiver.handle(request);
  const body = new Uint8Array(await response.arrayBuffer());
  for (const [name, value] of response.headers) outgoing.setHeader(name, value);
  outgoing.setHeader('content-length', body.length);
  if (!incoming.complete || isAmbiguous(incoming)) outgoing.setHeader('connection', 'close');
  outgoing.writeHead(response.status);
  outgoing.end(body);
}

function toRequest(incoming: IncomingMessage): Request {
  const headers = new Headers();
  for (let at = 0; at + 1 < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at] ?? '', incoming.rawHeaders[at + 1] ?? '');
  }
  // The Fetch API does not support every method (TRACE); all methods but POST get the same response.
  const url = urlOf(incoming);
  if (incoming.method !== 'POST') return new Request(url, { headers });
  return new Request(url, { method: 'POST', headers, body: toWebStream(incoming), duplex: 'half' });
}

/** The path that was called, also in Express, which shortens `url` where the listener is mounted below a path. */
function urlOf(incoming: IncomingMessage): string {
  const original: unknown = 'originalUrl' in incoming ? incoming.originalUrl : undefined;
  const target = typeof original === 'string' ? original : (incoming.url ?? '');
  if (target.startsWith('/')) return ORIGIN + target;
  // Rare: a whole URL, as to a proxy (RFC 9112 section 3.2.2), or `*`.
  return ORIGIN + (URL.canParse(target) ? new URL(target).pathname : '/');
}

/** Whether a second message may hide behind this one and be read from the connection next. */
function isAmbiguous({ httpVersion, headers, headersDistinct }: IncomingMessage): boolean {
  const hosts = headersDistinct['host'] ?? [];
  return messageFault({ httpVersion, hosts, transferCoding: headers['transfer-encoding'] }) !== undefined;
}

/**
 * Whether the body was already read in part, or its stream has ended: the rest would be a different body, or never
 * arrive. A stream that was only paused, for example while a middleware awaits something, is complete.
 */
function isBodyGone(incoming: IncomingMessage): boolean {
  const { method, readableDidRead, readableEnded, destroyed } = incoming;
  return method === 'POST' && (readableDidRead || readableEnded || destroyed);
}

/**
 * The body as a web stream with back pressure. `Readable.toWeb` would destroy the socket when the stream is cancelled,
 * and the response could not be sent.
 */
function toWebStream(incoming: IncomingMessage): ReadableStream<Uint8Array> {
  let isOpen = true;
  const closing = (act: () => void) => () => {
    if (isOpen) act();
    isOpen = false;
  };
  return new ReadableStream<Uint8Array>({
    start: (controller) => {
      incoming.on('data', (chunk: Buffer | string) => {
        if (!isOpen) return;
        // A string if an encoding was set on the stream.
        controller.enqueue(typeof chunk === 'string' ? Buffer.from(chunk, incoming.readableEncoding ?? 'utf8') : chunk);
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.on(
        'end',
        closing(() => controller.close()),
      );
      const lost = closing(() => controller.error(new Error('the client disconnected')));
      incoming.on('error', lost).on('close', lost);
      incoming.pause();
    },
    pull: () => {
      incoming.resume();
    },
    cancel: () => {
      isOpen = false;
      incoming.pause();
    },
  });
}
