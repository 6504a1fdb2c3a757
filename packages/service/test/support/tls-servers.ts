import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createServer as createHttpsServer, type ServerOptions } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import type { TestContext } from 'node:test';
import { createServer as createTlsServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { type Authority, makeAuthority } from './certificates.ts';

/** The authority of this test file. */
export const authority: Authority = await makeAuthority();
const identity = await authority.issue();

/** A server on the loopback, until its test ends. */
export interface Listening {
  readonly port: number;
  /** How many connections it has accepted. */
  connections(): number;
  /** How many of them are still open. */
  open(): number;
}

/** An HTTPS server; by default with a certificate for localhost and 127.0.0.1. */
export function listenHttps(
  t: TestContext,
  listener: RequestListener,
  options: ServerOptions = {},
): Promise<Listening> {
  return listening(t, createHttpsServer({ ...identity, ...options }, listener));
}

/** A TLS server that speaks whatever the test writes. */
export function listenTls(
  t: TestContext,
  onConnection: (socket: TLSSocket) => void,
  options: TlsOptions = {},
): Promise<Listening> {
  const server = createTlsServer({ ...identity, ...options }, (socket) => {
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  return listening(t, server);
}

/** A TCP server without TLS. */
export function listenTcp(t: TestContext, onConnection: (socket: Socket) => void): Promise<Listening> {
  return listening(t, createTcpServer(onConnection));
}

async function listening(t: TestContext, server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket: Socket) => {
    accepted += 1;
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { port, connections: () => accepted, open: () => sockets.size };
}

/** A port of the loopback at which nobody listens. */
export async function unusedPort(): Promise<number> {
  const server = createTcpServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
