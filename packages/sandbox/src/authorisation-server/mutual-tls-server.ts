/** An HTTPS server that speaks to nobody without a certificate of its root, and that closes when it is told to. */

import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { SERVER_TLS, systemClock } from '@tidings/service';

/** The server's own certificate and key, and the one root that client certificates must come from. All in PEM. */
export interface MutualTls {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly caPem: string;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const CONNECTIONS_MAX = 500;
/** How long a request under way may go on once the server closes. */
const CLOSE_GRACE_MS = 500;

/**
 * Starts listening; resolves with the port, which with `port: 0` is any free one. Nothing handles requests yet.
 *
 * @throws The error of `listen`, as it is: one with code `EADDRINUSE` when the port is taken.
 */
export async function listenWithMutualTls(options: { host: string; port: number; tls: MutualTls }): Promise<{
  server: Server;
  port: number;
  close: () => Promise<void>;
}> {
  const { certificatePem, keyPem, caPem } = options.tls;
  const server = createServer({
    cert: certificatePem,
    key: keyPem,
    ca: caPem,
    requestCert: true,
    rejectUnauthorized: true,
    ...SERVER_TLS,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  const close = closerOf(server);
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return { server, port: portOf(server), close };
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('The server does not listen on a TCP port');
  return address.port;
}

/**
 * Stops taking connections, ends the idle ones at once, and after the grace whatever is left. A connection that
 * has not got through its handshake is unknown to `closeAllConnections`, so the sockets themselves are kept
 * track of.
 */
function closerOf(server: Server): () => Promise<void> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  let closed: Promise<void> | undefined;
  return () => {
    closed ??= new Promise((resolve) => {
      const cancelGrace = systemClock.after(CLOSE_GRACE_MS, () => {
        for (const socket of sockets) socket.destroy();
      });
      server.close(() => {
        cancelGrace();
        resolve();
      });
      server.closeIdleConnections();
    });
    return closed;
  };
}
