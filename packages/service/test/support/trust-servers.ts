import { once } from 'node:events';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { testPki } from './trust-pki.ts';

/** Starts an HTTPS server on the loopback until its test ends. @returns its origin */
export async function listen(t: TestContext, listener: RequestListener, options: ServerOptions = {}): Promise<string> {
  const { ca, server: keyed } = await testPki();
  const server = createServer({ cert: keyed.cert, key: keyed.key, ca, ...options }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A request that came, with its whole body. */
export interface Seen {
  readonly request: IncomingMessage;
  readonly body: string;
}

/** A server whose answer the test changes, and which keeps what it saw. */
export interface Changeable {
  readonly origin: string;
  readonly seen: Seen[];
  answer: { status: number; body: string | ((seen: Seen) => string) };
  /** Answers wait for it. */
  hold: Promise<void> | undefined;
}

/** Starts one. */
export async function serve(t: TestContext, body: unknown = {}, options: ServerOptions = {}): Promise<Changeable> {
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const seen = { request, body: Buffer.concat(chunks).toString() };
    server.seen.push(seen);
    const { answer } = server;
    await server.hold;
    const text = typeof answer.body === 'string' ? answer.body : answer.body(seen);
    response.writeHead(answer.status, { 'content-type': 'application/json', location: '/elsewhere' }).end(text);
  };
  const server: Changeable = {
    origin: await listen(t, (request, response) => void listener(request, response), options),
    seen: [],
    answer: { status: 200, body: JSON.stringify(body) },
    hold: undefined,
  };
  return server;
}
