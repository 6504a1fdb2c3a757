import { once } from 'node:events';
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { testPki } from './certificates.ts';

/** A server on the loopback, until its test ends. */
export interface Listening<S extends Server = Server> {
  /** `https://127.0.0.1:1234`. */
  readonly origin: string;
  readonly port: number;
  readonly server: S;
  /** How many connections it has accepted. */
  connections(): number;
  /** How many of them are still open. */
  open(): number;
}

/** Starts an HTTPS server; by default with the server certificate of the test PKI. */
export async function listenHttps(t: TestContext, listener: RequestListener, options: ServerOptions = {}) {
  const { server, caPem } = await testPki();
  return await listening(t, createHttpsServer({ ...server.tls, ca: caPem, ...options }, listener), 'https');
}

/** Starts an HTTP server without TLS. */
export function listenHttp(t: TestContext, listener: RequestListener) {
  return listening(t, createHttpServer(listener), 'http');
}

/** Starts a TLS server that speaks whatever the test writes. */
export async function listenTls(
  t: TestContext,
  onConnection: (socket: TLSSocket) => void,
  options: TlsOptions = {},
): Promise<Listening> {
  const { server: identity } = await testPki();
  const server = createTlsServer({ ...identity.tls, ...options }, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  return await listening(t, server, 'https');
}

/** Starts a TCP server without TLS. */
export function listenTcp(t: TestContext, onConnection: (socket: Socket) => void): Promise<Listening> {
  return listening(t, createTcpServer(onConnection), 'tcp');
}

async function listening<S extends Server>(t: TestContext, server: S, scheme: string): Promise<Listening<S>> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  const port = await listenOn(server);
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const origin = `${scheme}://127.0.0.1:${port}`;
  return { origin, port, server, connections: () => accepted, open: () => sockets.size };
}

/** Starts listening on a free port of the loopback. @returns the port */
export async function listenOn(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A port of the loopback at which nobody listens. */
export async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  const port = await listenOn(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** A request with its whole body. */
export interface Seen {
  readonly request: IncomingMessage;
  readonly body: string;
}

/** A server that keeps what it has seen, and whose answer the test may change. */
export interface RecordingServer {
  readonly origin: string;
  readonly seen: Seen[];
  answer: { status: number; body: string | ((seen: Seen) => string) };
  /** Answers wait for it. */
  hold: Promise<void> | undefined;
}

/** Starts an HTTPS server that answers with this JSON. */
export async function startRecordingServer(
  t: TestContext,
  body: unknown = {},
  options: ServerOptions = {},
): Promise<RecordingServer> {
  const listener = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const seen = { request, body: Buffer.concat(chunks).toString() };
    recording.seen.push(seen);
    const { answer } = recording;
    await recording.hold;
    const text = typeof answer.body === 'string' ? answer.body : answer.body(seen);
    response.writeHead(answer.status, { 'content-type': 'application/json', location: '/elsewhere' }).end(text);
  };
  const { origin } = await listenHttps(t, (request, response) => void listener(request, response), options);
  const answer = { status: 200, body: JSON.stringify(body) };
  const recording: RecordingServer = { origin, seen: [], answer, hold: undefined };
  return recording;
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
