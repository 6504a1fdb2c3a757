import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { testPki } from './pki.ts';

/** A server that is listening on the loopback, until its test ends. */
export interface Listening {
  readonly origin: string;
  readonly port: number;
  readonly server: Server;
}

/** Starts an HTTPS server with the certificate of the test PKI. */
export async function listen(
  t: TestContext,
  listener: RequestListener,
  options: ServerOptions = {},
): Promise<Listening> {
  const { caPem, server: keyed } = await testPki();
  const server = createServer({ cert: keyed.certificatePem, key: keyed.keyPem, ca: caPem, ...options }, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `https://127.0.0.1:${port}`, port, server };
}

/** A promise with its handles (`Promise.withResolvers` came with Node 22). */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (e: Error) => void } {
  let resolve: (value: T) => void = () => undefined;
  let reject: (e: Error) => void = () => undefined;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** Writes JSON without a signature. */
export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
