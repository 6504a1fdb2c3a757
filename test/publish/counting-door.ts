import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { listenOn } from '@tidings/testing';

/** What was asked through the door, and what came of it. */
export interface Passage {
  readonly type: string;
  readonly body: string;
  /** Undefined where it was answered by the door itself. */
  readonly answer: string | undefined;
  readonly status: number;
}

/** What the door does with a request: lets it through, or answers it. */
export interface DoorOptions {
  /** Called before a request is let through. @returns what it is answered in its place */
  before?: (
    count: number,
    body: string,
  ) => Promise<{ status: number; headers?: Record<string, string>; body?: string } | undefined>;
  /** Called when the service has answered, before the answer is passed on. */
  after?: (count: number) => Promise<void>;
  /** Called when the answer was passed on. */
  passed?: (count: number) => void;
}

/** A door in front of a service, on loopback, that a test stands at. Its options may be changed at any time. */
export async function openDoor(serviceUrl: string) {
  const options: DoorOptions = {};
  const passages: Passage[] = [];
  let count = 0;
  const server = createServer((incoming, outgoing) => {
    pass(incoming, outgoing).catch(() => outgoing.destroy());
  });
  async function pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming);
    count += 1;
    const number = count;
    const type = String(incoming.headers['content-type']);
    const inPlace = await options.before?.(number, body.toString());
    if (inPlace !== undefined) {
      passages.push({ type, body: body.toString(), answer: undefined, status: inPlace.status });
      outgoing.writeHead(inPlace.status, inPlace.headers).end(inPlace.body);
      return;
    }
    const { host: _host, ...headers } = incoming.headers;
    const forwarded = request(`${serviceUrl}${incoming.url}`, { method: incoming.method, headers });
    forwarded.end(body);
    const [answered] = (await once(forwarded, 'response')) as [IncomingMessage];
    const answer = await bodyOf(answered);
    passages.push({ type, body: body.toString(), answer: answer.toString(), status: answered.statusCode ?? 0 });
    await options.after?.(number);
    outgoing.writeHead(answered.statusCode ?? 0, answered.headers).end(answer);
    outgoing.once('finish', () => options.passed?.(number));
  }
  const port = await listenOn(server);
  return {
    url: `http://127.0.0.1:${port}`,
    options,
    passages,
    /** Forgets what passed, and how it was treated. */
    reset: () => {
      passages.length = 0;
      count = 0;
      for (const name of ['before', 'after', 'passed'] as const) delete options[name];
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export type Door = Awaited<ReturnType<typeof openDoor>>;

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
