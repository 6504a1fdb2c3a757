import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import { createServer, request as httpsRequest } from 'node:https';
import type { Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { listenOn } from '@tidings/testing';

/** A header; names in lower case. */
export type Header = readonly [name: string, value: string];

/** A request as a proxy has it, whole. */
export interface ProxiedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly Header[];
  readonly body: Buffer;
  /** DER of the client certificate; undefined: none. */
  readonly certificate: Buffer | undefined;
}

/** An answer as a proxy has it, whole. */
export interface ProxiedAnswer {
  readonly status: number;
  readonly headers: readonly Header[];
  readonly body: Buffer;
}

/** Sends a request on as it is. Undefined: no answer came. */
export type Forward = (request: ProxiedRequest) => Promise<ProxiedAnswer | undefined>;

/** How a proxy answers. Undefined: it closes the connection. */
export type Answering = (request: ProxiedRequest, forward: Forward) => Promise<ProxiedAnswer | undefined>;

/** A listener in front of something. */
export interface FaultyProxy {
  readonly origin: string;
  /** How it answers from now on; undefined: as what is behind it. */
  answering: Answering | undefined;
  close(): Promise<void>;
}

interface Identity {
  readonly tls: { readonly cert: string; readonly key: string };
}

/** A gateway that ends mutual TLS in front of the service, and passes the certificate on (RFC 9440). */
export async function startGateway(options: {
  identity: Identity;
  clientCa: string;
  target: string;
}): Promise<FaultyProxy> {
  const { identity, clientCa: ca, target } = options;
  const forward: Forward = (request) => {
    const { certificate } = request;
    const passed = certificate === undefined ? [] : [['client-cert', `:${certificate.toString('base64')}:`] as const];
    return send(target, {
      ...request,
      headers: [...request.headers.filter(([name]) => name !== 'client-cert'), ...passed],
    });
  };
  const tls = { ...identity.tls, ca, requestCert: true, rejectUnauthorized: false, maxHeaderSize: 65_536 };
  // Who has no certificate is cut off here and not in the handshake, so that a mutant can serve them.
  const usual: Answering = (request) =>
    request.certificate === undefined ? Promise.resolve(undefined) : forward(request);
  return await startProxy((listener) => createServer(tls, listener), forward, usual);
}

/** Something in front of a receiver of deliveries. @param ca that of the receiver */
export async function startCourier(options: {
  identity: Identity;
  ca: string;
  target: () => string;
}): Promise<FaultyProxy> {
  const { identity, ca, target } = options;
  const forward: Forward = (request) => send(target(), request, ca);
  return await startProxy((listener) => createServer(identity.tls, listener), forward);
}

async function startProxy(
  create: (listener: RequestListener) => Server & { closeAllConnections(): void },
  forward: Forward,
  usual: Answering = (request) => forward(request),
): Promise<FaultyProxy> {
  const server = create((incoming, response) => {
    void readRequest(incoming)
      .then((request) => (proxy.answering ?? usual)(request, forward))
      .catch(() => undefined)
      .then((answer) => {
        if (answer === undefined) return incoming.socket.destroy();
        const { status, headers, body } = answer;
        const kept = headers.filter(([name]) => !HOP_BY_HOP.has(name));
        const hasBody = body.length > 0 || (status !== 204 && status !== 304);
        response.writeHead(
          status,
          [...kept, ...(hasBody ? [['content-length', String(body.length)] as const] : [])].flat(),
        );
        return response.end(body);
      });
  });
  const port = await listenOn(server);
  const proxy: FaultyProxy = {
    origin: `https://localhost:${port}`,
    answering: undefined,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return proxy;
}

const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length']);

async function readRequest(incoming: IncomingMessage): Promise<ProxiedRequest> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const { method = '', url: path = '', rawHeaders } = incoming;
  const der = (incoming.socket as Partial<TLSSocket>).getPeerCertificate?.().raw;
  return { method, path, headers: pairs(rawHeaders), body: Buffer.concat(chunks), certificate: der };
}

function pairs(raw: readonly string[]): Header[] {
  return raw.flatMap((name, at) => (at % 2 === 0 ? [[name.toLowerCase(), raw[at + 1] ?? ''] as const] : []));
}

/** Longer than anything that is behind waits. */
const TIMEOUT_MS = 20_000;

function send(
  target: string,
  { method, path, headers, body }: ProxiedRequest,
  ca?: string,
): Promise<ProxiedAnswer | undefined> {
  const { hostname, port, protocol } = new URL(target);
  const kept = headers.filter(([name]) => !HOP_BY_HOP.has(name));
  const framing = body.length > 0 || method !== 'GET' ? [['content-length', String(body.length)] as const] : [];
  const options = {
    hostname,
    port,
    method,
    path,
    headers: [...kept, ...framing].flat(),
    timeout: TIMEOUT_MS,
    agent: false as const,
  };
  return new Promise((resolve) => {
    const outgoing =
      protocol === 'https:'
        ? httpsRequest({ ...options, servername: hostname, ...(ca !== undefined && { ca }) })
        : httpRequest(options);
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(undefined));
    outgoing.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', () => resolve(undefined));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: pairs(answer.rawHeaders), body: Buffer.concat(chunks) }),
      );
    });
    outgoing.end(body);
  });
}

/** The value of a header; undefined when it is missing. */
export function headerOf({ headers }: Pick<ProxiedRequest, 'headers'>, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

/** The headers with some replaced; undefined takes one out. */
export function withHeaders(
  headers: readonly Header[],
  changes: Readonly<Record<string, string | undefined>>,
): Header[] {
  const kept = headers.filter(([name]) => !Object.hasOwn(changes, name));
  return [
    ...kept,
    ...Object.entries(changes).flatMap(([name, value]): Header[] => (value === undefined ? [] : [[name, value]])),
  ];
}
