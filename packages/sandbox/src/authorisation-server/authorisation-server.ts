/**
 * The ASPSP's Authorisation Server of the sandbox: client credentials grant over mutual TLS, with certificate-bound JWT
 * access tokens.
 */

import type { EventEmitter } from 'node:events';
import type { RequestListener } from 'node:http';
import { parseMediaType } from '@tidings/protocol';
import { type MutualTls, startHttpServer } from '../http-server.ts';
import {
  type AuthorisationServerClient,
  assertClient,
  createProvider,
  DISCOVERY_PATHS,
  endpointsOf,
  ROUTES,
} from './provider.ts';

export type { MutualTls } from '../http-server.ts';
export type { AuthorisationServerClient } from './provider.ts';

const ACCESS_TOKEN_TTL_DEFAULT_SECONDS = 300;
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Options of the server. */
export interface AuthorisationServerOptions {
  /** The address to listen on, such as `127.0.0.1`. */
  readonly host: string;
  /** Port to listen on; 0 for any free port. */
  readonly port: number;
  /** Server certificate, valid for `localhost`. Clients must present a certificate issued by `caPem`. */
  readonly tls: MutualTls;
  /**
   * Key that signs the access tokens (PS256): an RSA private key of 2048 to 8192 bits in PEM (PKCS #8), and its `kid`
   * in the JWKS.
   */
  readonly signingKey: { readonly keyPem: string; readonly kid: string };
  /**
   * `aud` of every token: an absolute URI without a fragment. The only `resource` that a client may request (RFC 8707).
   */
  readonly audience: string;
  /** Lifetime of access tokens. Default 300. */
  readonly accessTokenTtlSeconds?: number;
  readonly clients: readonly AuthorisationServerClient[];
  /** Optional observer of errors while handling requests, including lost connections. Nothing is printed. */
  readonly onError?: (error: Error) => void;
}

/** A running Authorisation Server. */
export interface AuthorisationServer {
  /** `iss` of the tokens: `https://localhost:{port}`, whatever the listening address. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  /** Where clients find the two above. */
  readonly discoveryUrl: string;
  /**
   * Adds a client, or replaces one that was added; tokens that it has remain valid. Clients of the options cannot be replaced.
   *
   * @throws {TypeError} for an invalid client, or one with the client_id of a client of the options
   */
  addClient(client: AuthorisationServerClient): void;
  /** Closes idle connections at once and all others within five seconds. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the Authorisation Server. All endpoints require mutual TLS: the token endpoint, the JWKS, and the discovery
 * document at `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`.
 *
 * Tokens are JWTs (RFC 9068: `typ` `at+jwt`, PS256) with `sub` = `client_id`, and `cnf.x5t#S256` of the presented
 * certificate (RFC 8705). A request must name at least one scope. All requested scopes are granted, or the response is
 * `invalid_scope`.
 *
 * Not supported: other grants, other client authentication, refresh tokens, registration, introspection, revocation and
 * consent.
 *
 * @throws the error of `listen` with its code, such as `EADDRINUSE`
 * @throws {TypeError} for an invalid client or audience
 */
export async function startAuthorisationServer(options: AuthorisationServerOptions): Promise<AuthorisationServer> {
  const onError = options.onError ?? (() => undefined);
  const added = new Map<string, AuthorisationServerClient>();
  // The issuer contains the port, so the server must listen before the provider is created.
  const provided = Promise.withResolvers<RequestListener>();
  const answer: RequestListener = (request, response) => {
    void provided.promise.then((listener) => listener(request, response));
  };
  const server = await startHttpServer({
    ...options,
    onError,
    endpoints: [
      { method: 'POST', path: ROUTES.token, answer },
      ...[ROUTES.jwks, ...DISCOVERY_PATHS].map((path) => ({ method: 'GET', path, answer }) as const),
    ],
  });
  try {
    const issuer = `https://localhost:${server.port}`;
    provided.resolve(listenerOf(options, { issuer, onError, findClient: (clientId) => added.get(clientId) }));
    return {
      issuer,
      ...endpointsOf(issuer),
      discoveryUrl: `${issuer}${DISCOVERY_PATHS[0]}`,
      addClient: (client) => {
        assertClient(client);
        if (options.clients.some(({ clientId }) => clientId === client.clientId)) {
          throw new TypeError(`The client ${client.clientId} exists already`);
        }
        added.set(client.clientId, client);
      },
      close: server.close,
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function listenerOf(
  { signingKey, audience, accessTokenTtlSeconds, clients }: AuthorisationServerOptions,
  {
    issuer,
    onError,
    findClient,
  }: {
    issuer: string;
    onError: (error: Error) => void;
    findClient: (clientId: string) => AuthorisationServerClient | undefined;
  },
): RequestListener {
  const provider = createProvider({
    issuer,
    signingKey,
    audience,
    clients,
    findClient,
    accessTokenTtlSeconds: accessTokenTtlSeconds ?? ACCESS_TOKEN_TTL_DEFAULT_SECONDS,
  });
  provider.on('server_error', (_ctx, error) => onError(error));
  // Koa prints errors without a listener. The provider's types do not declare this event.
  const koa: EventEmitter = provider;
  koa.on('error', onError);
  const callback = provider.callback();
  return (request, response) => {
    // The provider's parser of media types rejects some valid ones.
    const { essence } = parseMediaType(request.headers['content-type']) ?? {};
    if (essence === FORM_TYPE) request.headers['content-type'] = FORM_TYPE;
    void callback(request, response);
  };
}
