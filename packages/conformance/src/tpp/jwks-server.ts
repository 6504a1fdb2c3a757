import { createPublicKey } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { BankKey } from './bank.ts';
import type { JwksListener } from './config.ts';
import type { BankJwks } from './context.ts';

/** A {@link BankJwks} that listens. */
export interface JwksServer extends BankJwks {
  close(): Promise<void>;
}

/** Keys of the bank, made where the configuration gives none. */
export interface JwksKeys {
  readonly first: BankKey;
  readonly second: BankKey;
  readonly encryption: BankKey;
  /** Makes a further signing key. */
  readonly make: () => BankKey;
}

const PATH = '/jwks';
const BAIT_PATH = '/bait';

/**
 * Serves the JWKS of the bank (RFC 7517), for a TPP that is told its URL. Every path but the one of the bait has it.
 *
 * @throws {Error} of `listen`, such as when the port is in use
 */
export async function startJwksServer(listener: JwksListener, keys: JwksKeys): Promise<JwksServer> {
  const signing = [keys.first, keys.second];
  let requests = 0;
  let baits = 0;
  const answer: RequestListener = (request, response) => {
    const isBait = (request.url ?? '').startsWith(BAIT_PATH);
    if (isBait) baits += 1;
    else requests += 1;
    const members = [...signing.map((key) => jwkOf(key, 'sig')), jwkOf(keys.encryption, 'enc')];
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'max-age=0' });
    response.end(JSON.stringify({ keys: members }));
  };
  const server = listener.tls === undefined ? createServer(answer) : createTlsServer(listener.tls, answer);
  await listen(server, listener);
  const url = listener.publicUrl ?? addressOf(server, listener);
  return {
    url,
    second: keys.second,
    encryption: keys.encryption,
    addKey: () => {
      const key = keys.make();
      signing.push(key);
      return key;
    },
    requestCount: () => requests,
    baitUrl: new URL(BAIT_PATH, url).href,
    baitCount: () => baits,
    close: () => close(server),
  };
}

function jwkOf({ kid, privateKey }: BankKey, use: 'sig' | 'enc'): object {
  const alg = use === 'sig' ? 'PS256' : 'RSA-OAEP';
  return { ...createPublicKey(privateKey).export({ format: 'jwk' }), kid, use, alg };
}

function listen(server: Server, { host, port }: JwksListener): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function addressOf(server: Server, { tls, host }: JwksListener): string {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  // Certificates are for names, and those of a loopback are for this one.
  const name = host === '127.0.0.1' ? 'localhost' : host;
  return `${tls === undefined ? 'http' : 'https'}://${name.includes(':') ? `[${name}]` : name}:${port}${PATH}`;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
