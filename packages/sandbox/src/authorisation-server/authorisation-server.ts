/**
 * The ASPSP's Authorisation Server in the sandbox: client credentials over mutual TLS, certificate-bound JWT
 * access tokens.
 */

import type { EventEmitter } from 'node:events';
import type { RequestListener } from 'node:http';
import { parseMediaType } from '@tidings/protocol';
import { type MutualTls, startHttpServer } from '../http-server.ts';
import { type AuthorisationServerClient, createProvider, DISCOVERY_PATHS, endpointsOf, ROUTES } from './provider.ts';

export type { MutualTls } from '../http-server.ts';
export type { AuthorisationServerClient } from './provider.ts';

const ACCESS_TOKEN_TTL_DEFAULT_SECONDS = 300;
const FORM_TYPE = 'application/x-www-form-urlencoded';

/** Options of the server. */
export interface AuthorisationServerOptions {
  /** The address to listen on, such as `127.0.0.1`. */
  readonly host: string;
  /** 0 is any free port. */
  readonly port: number;
  /** Its certificate must be good for `localhost`; clients need one that `caPem` issued. */
  readonly tls: MutualTls;
  /**
   * Signs the access tokens (PS256): an RSA private key in PEM (PKCS #8) of 2048 to 8192 bits, and its `kid` in
   * the served JWKS.
   */
  readonly signingKey: { readonly keyPem: string; readonly kid: string };
  /**
   * The `aud` of every token: an absolute URI without a fragment. A client may name it as `resource` (RFC
   * 8707), and no other.
   */
  readonly audience: string;
  /** Default 300. */
  readonly accessTokenTtlSeconds?: number;
  readonly clients: readonly AuthorisationServerClient[];
  /** Told of failures while answering, a client's lost connection among them. Nothing is ever printed. */
  readonly onError?: (error: Error) => void;
}

/** A server that is listening. */
export interface AuthorisationServer {
  /** `https://localhost:{port}`, whatever the host: it is the `iss` of the tokens. */
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly jwksUri: string;
  /** Ends idle connections at once and all others within five seconds. May be called again. */
  close(): Promise<void>;
}

/**
 * Starts the Authorisation Server. Everything it serves, it serves over mutual TLS: the token endpoint, the
 * JWKS, and the discovery document at `/.well-known/openid-configuration` and
 * `/.well-known/oauth-authorization-server`.
 *
 * Tokens are JWTs (RFC 9068: `typ` `at+jwt`, PS256) with `sub` = `client_id`, and `cnf.x5t#S256` of the
 * certificate presented (RFC 8705). A request must ask for at least one scope and gets all it asks for, or
 * `invalid_scope`.
 *
 * Does not do: other grants, other client authentication, refresh tokens, registration, introspection,
 * revocation, consent.
 *
 * @throws The error of `listen`, with its code (`EADDRINUSE` when the port is taken).
 * @throws TypeError for a client or an audience that cannot work.
 */
export async function startAuthorisationServer(options: AuthorisationServerOptions): Promise<AuthorisationServer> {
  const onError = options.onError ?? (() => undefined);
  // The issuer has the port in it, so the server listens before there is a provider to answer.
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
    provided.resolve(listenerOf(options, issuer, onError));
    return { issuer, ...endpointsOf(issuer), close: server.close };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function listenerOf(
  { signingKey, audience, accessTokenTtlSeconds, clients }: AuthorisationServerOptions,
  issuer: string,
  onError: (error: Error) => void,
): RequestListener {
  const provider = createProvider({
    ...{ issuer, signingKey, audience, clients },
    accessTokenTtlSeconds: accessTokenTtlSeconds ?? ACCESS_TOKEN_TTL_DEFAULT_SECONDS,
  });
  provider.on('server_error', (_ctx, error) => onError(error));
  // Koa prints errors that nobody listens for. The provider's own types leave that event out.
  const koa: EventEmitter = provider;
  koa.on('error', onError);
  const callback = provider.callback();
  return (request, response) => {
    // The provider reads media types in a way of its own, which some valid ones are none in.
    const { essence } = parseMediaType(request.headers['content-type']) ?? {};
    if (essence === FORM_TYPE) request.headers['content-type'] = FORM_TYPE;
    void callback(request, response);
  };
}
