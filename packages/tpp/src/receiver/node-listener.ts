import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageFault } from '@tidings/protocol';
import type { Receiver } from './receiver.ts';

// A receiver is mounted at its callback URL by whoever routes, so it never looks at the URL.
const UNREAD_URL = 'https://receiver.invalid/';

/**
 * Adapts a receiver to `node:http` and `node:https`: `https.createServer({ cert, key }, nodeListener(receiver))`.
 *
 * Give it requests whose body nobody has read: behind a body parser every notification is answered 500, and `onRefused`
 * says why (`body_already_read`).
 *
 * Does not route: give it only the requests to the callback URL. Does not bound time: set `requestTimeout` and
 * `headersTimeout` of the server (say 10 000 ms), or a client that drips its body holds a connection for the five
 * minutes that Node allows. After a refusal that left the body unread, or of a request whose bytes may be read in two ways,
 * the connection is closed.
 */
export function nodeListener(receiver: Receiver): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    serve(receiver, request, response).catch(() => response.destroy());
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
  // The Fetch API cannot say every method (TRACE); all that are not POST get the same answer.
  if (incoming.method !== 'POST') return new Request(UNREAD_URL, { headers });
  return new Request(UNREAD_URL, { method: 'POST', headers, body: toWebStream(incoming), duplex: 'half' });
}

/** Whether another message may hide behind this one, which would be read from the connection next. */
function isAmbiguous({ httpVersion, headers, headersDistinct }: IncomingMessage): boolean {
  const hosts = headersDistinct['host'] ?? [];
  return messageFault({ httpVersion, hosts, transferCoding: headers['transfer-encoding'] }) !== undefined;
}

/**
 * Whether a part of the body was read before, or its stream has ended: what is left would be another body, or never come.
 * One that was only paused, as while a middleware waits for something, is whole.
 */
function isBodyGone(incoming: IncomingMessage): boolean {
  const { method, readableDidRead, readableEnded, destroyed } = incoming;
  return method === 'POST' && (readableDidRead || readableEnded || destroyed);
}

/**
 * The body as a web stream with back pressure. `Readable.toWeb` would destroy the socket when the stream is cancelled,
 * and with it the answer.
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
        // A text where somebody has set an encoding before.
        controller.enqueue(typeof chunk === 'string' ? Buffer.from(chunk, incoming.readableEncoding ?? 'utf8') : chunk);
        if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
      });
      incoming.on(
        'end',
        closing(() => controller.close()),
      );
      const lost = closing(() => controller.error(new Error('the client went away')));
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
