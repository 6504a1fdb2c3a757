import { createHash } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { AccessTokenVerifier } from '@tidings/service';
import { type MutualTls, startHttpServer } from '../http-server.ts';
import { type Ledger, RESOURCE_PATHS, type Resource, resourceNamed } from './ledger.ts';

/** A running resource server. */
export interface ResourceServer {
  /** Such as `https://localhost:8441`. */
  readonly origin: string;
  close(): Promise<void>;
}

/** The scope required for each family of resources. */
const SCOPES: Readonly<Record<string, string>> = { aisp: 'accounts', pisp: 'payments', cbpii: 'fundsconfirmations' };

/**
 * Starts the ASPSP Resource Server of the sandbox. It supports `GET` of consents and payments over mutual TLS. The
 * access token must be bound to the client certificate of the connection and belong to the TPP that owns the resource.
 * Resources are read-only: changes happen at the bank.
 */
export async function startResourceServer(options: {
  host: string;
  port: number;
  tls: MutualTls;
  accessTokens: AccessTokenVerifier;
  ledger: Ledger;
}): Promise<ResourceServer> {
  const serve: RequestListener = (request, response) => {
    void answer(request, options)
      .catch((): Answer => ({ status: 500 }))
      .then((sent) => send(response, sent));
  };
  const endpoints = RESOURCE_PATHS.map((path) => ({ method: 'GET', path, answer: serve }) as const);
  const { port, close } = await startHttpServer({ ...options, endpoints });
  return { origin: `https://localhost:${port}`, close };
}

interface Answer {
  readonly status: number;
  readonly body?: object;
}

async function answer(
  request: IncomingMessage,
  options: { accessTokens: AccessTokenVerifier; ledger: Ledger },
): Promise<Answer> {
  const path = request.url?.split('?')[0] ?? '';
  const named = resourceNamed(path);
  if (named === undefined) return { status: 404 };
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const thumbprint = thumbprintOf(request);
  if (token === undefined || thumbprint === undefined) return { status: 401 };
  const check = await options.accessTokens.verify(token, thumbprint);
  if (check.kind !== 'valid') return { status: check.kind === 'refused' ? 401 : 500 };
  if (!check.token.scopes.includes(SCOPES[named.family] ?? '')) return { status: 403 };
  const resource = options.ledger.find(named.type, named.id);
  if (resource === undefined) return { status: 400 };
  if (resource.clientId !== check.token.clientId) return { status: 403 };
  return { status: 200, body: write(resource, `https://${request.headers.host}${path}`) };
}

function thumbprintOf(request: IncomingMessage): string | undefined {
  const { socket } = request;
  const certificate = socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate && createHash('sha256').update(certificate.raw).digest('base64url');
}

const ID_NAMES: Readonly<Record<Resource['type'], string>> = {
  'domestic-payment': 'DomesticPaymentId',
  'account-access-consent': 'ConsentId',
  'funds-confirmation-consent': 'ConsentId',
};

function write(resource: Resource, self: string): object {
  return {
    Data: {
      [ID_NAMES[resource.type]]: resource.id,
      Status: resource.status,
      StatusUpdateDateTime: new Date(resource.statusChangedAtMs).toISOString(),
      CreationDateTime: new Date(resource.createdAtMs).toISOString(),
    },
    Links: { Self: self },
    Meta: {},
  };
}

function send(response: ServerResponse, { status, body }: Answer): void {
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  if (body !== undefined) response.setHeader('content-type', 'application/json; charset=utf-8');
  response.writeHead(status).end(body === undefined ? undefined : JSON.stringify(body));
}
