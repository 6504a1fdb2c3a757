import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const CONNECTIONS_MAX = 200;
const REQUEST_TIMEOUT_MS = 60_000;

/** Answers a request; a rejection is answered 500. */
export type AsyncListener = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A listener without TLS on a loopback address. */
export interface ConsoleListener {
  /** Such as `http://127.0.0.1:8445`. */
  readonly origin: string;
  readonly port: number;
  /** Answers requests from now on; before, there is no answer. */
  serve(listener: AsyncListener): void;
  close(): Promise<void>;
}

/**
 * Listens for the console. It listens before the service starts, whose settings contain the address.
 *
 * @throws the error of `listen` with its code, such as `EADDRINUSE`
 */
export async function listenForConsole(host: '127.0.0.1', port: number): Promise<ConsoleListener> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS });
  server.maxConnections = CONNECTIONS_MAX;
  const listening = Promise.withResolvers<void>();
  server.once('error', listening.reject).listen(port, host, listening.resolve);
  await listening.promise;
  const { port: taken } = server.address() as AddressInfo;
  return {
    origin: `http://${host}:${taken}`,
    port: taken,
    serve: (listener) => {
      server.on('request', (request, response) => {
        void listener(request, response).catch(() => {
          if (response.headersSent) response.destroy();
          else response.writeHead(500, { 'content-type': 'text/plain' }).end('The sandbox could not do that.\n');
        });
      });
    },
    close: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      server.closeAllConnections();
      await closed.promise;
    },
  };
}
