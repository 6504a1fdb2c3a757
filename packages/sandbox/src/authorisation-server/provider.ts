/**
 * oidc-provider, reduced to what event notifications require of an ASPSP's Authorisation Server: access tokens by the
 * client credentials grant, for clients authenticated by mutual TLS, bound to the presented certificate.
 */

import assert from 'node:assert/strict';
import { createPrivateKey, type X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { sameDistinguishedName } from '@tidings/protocol';
import { subjectDnOf } from '@tidings/service';
import type { Adapter, ClientMetadata, Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider';
import { errors, Provider } from 'oidc-provider';

/** The supported scopes of the Read/Write API Specification. */
const SCOPES: readonly string[] = ['accounts', 'payments', 'fundsconfirmations'];

/** A TPP's registration at the Authorisation Server. */
export interface AuthorisationServerClient {
  readonly clientId: string;
  /** Subject of the transport certificate in the form of RFC 4514. */
  readonly certificateSubjectDn: string;
  /** Allowed scopes, out of `accounts`, `payments` and `fundsconfirmations`. */
  readonly scopes: readonly string[];
}

/** Options of the provider. */
export interface ProviderOptions {
  readonly issuer: string;
  /** Key that signs the access tokens (PS256): an RSA private key in PEM, and its `kid` in the JWKS. */
  readonly signingKey: { readonly keyPem: string; readonly kid: string };
  /** `aud` of every token: an absolute URI without a fragment. */
  readonly audience: string;
  readonly accessTokenTtlSeconds: number;
  readonly clients: readonly AuthorisationServerClient[];
  /** Looks up a client that was added later, by its client_id. */
  readonly findClient: (clientId: string) => AuthorisationServerClient | undefined;
}

/** Paths of the endpoints. Serve no others: oidc-provider has more, which cannot be disabled. */
export const ROUTES = { token: '/token', jwks: '/jwks' } as const;
/** Paths of the metadata of the authorisation server, in OpenID Connect and in OAuth (RFC 8414). */
export const DISCOVERY_PATHS: readonly string[] = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

/**
 * Creates the provider. Serve it with `callback()` on a server that terminates mutual TLS in this process, because the
 * client certificate is read from the socket.
 *
 * @throws {TypeError} for an invalid client or audience, rather than at the first token request
 */
export function createProvider(options: ProviderOptions): Provider {
  assertOptions(options);
  const provider = new Provider(options.issuer, configurationFor(options));
  provider.use(async (ctx, next) => {
    await next();
    if (DISCOVERY_PATHS.includes(ctx.path)) ctx.body = withoutWhatIsNotServed(ctx.body);
  });
  return provider;
}

/** The absolute URLs of the endpoints below an issuer. */
export function endpointsOf(issuer: string): { tokenEndpoint: string; jwksUri: string } {
  return { tokenEndpoint: `${issuer}${ROUTES.token}`, jwksUri: `${issuer}${ROUTES.jwks}` };
}

function configurationFor(options: ProviderOptions): Configuration {
  const { signingKey, accessTokenTtlSeconds, clients, findClient } = options;
  return {
    adapter: (model: string) => (model === 'Client' ? { ...NOTHING_STORED, find: found(findClient) } : NOTHING_STORED),
    clients: clients.map(clientMetadata),
    clientAuthMethods: ['tls_client_auth'],
    // The defaults of these two print a notice and render a page for browsers, which do not occur here.
    clientBasedCORS: () => false,
    renderError: (ctx, error) => {
      ctx.body = error;
    },
    enabledJWA: { idTokenSigningAlgValues: ['PS256'] },
    jwks: { keys: [privateJwk(signingKey)] },
    // Any response type would enable the authorisation code or implicit grant.
    responseTypes: [],
    routes: ROUTES,
    scopes: SCOPES,
    ttl: { ClientCredentials: accessTokenTtlSeconds },
    features: {
      clientCredentials: { enabled: true },
      mTLS: MUTUAL_TLS_FEATURE,
      resourceIndicators: resourceFeature(options),
      // Enabled by default, and not wanted:
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
  };
}

/** The answers to oidc-provider's questions about client certificates (RFC 8705). TLS ends in this process. */
const MUTUAL_TLS_FEATURE = {
  enabled: true,
  certificateBoundAccessTokens: true,
  tlsClientAuth: true,
  getCertificate: (ctx: KoaContextWithOIDC) => peerCertificate(ctx.socket),
  certificateAuthorized: ({ socket }: KoaContextWithOIDC) => socket instanceof TLSSocket && socket.authorized,
  certificateSubjectMatches: (ctx: KoaContextWithOIDC, property: string, expected: string) => {
    const certificate = peerCertificate(ctx.socket);
    const subjectDn = certificate && subjectDnOf(certificate.raw);
    return (
      property === 'tls_client_auth_subject_dn' && subjectDn !== undefined && sameDistinguishedName(subjectDn, expected)
    );
  },
} as const;

/** The certificate that the client presented on this connection, trusted or not; undefined when it presented none. */
function peerCertificate(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}

/**
 * The bank's resource server is the only one, whether the client names it (`resource`, RFC 8707) or not. Its tokens are
 * JWTs (RFC 9068).
 */
function resourceFeature({ audience, accessTokenTtlSeconds }: ProviderOptions) {
  return {
    enabled: true,
    defaultResource: () => audience,
    getResourceServerInfo: (ctx: KoaContextWithOIDC, resource: string) => {
      if (resource !== audience) throw new errors.InvalidTarget('no such resource here');
      assertScopesAllowed(ctx);
      return {
        audience,
        scope: SCOPES.join(' '),
        accessTokenTTL: accessTokenTtlSeconds,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'PS256' } },
      } as const;
    },
  } as const;
}

/**
 * Rejects scopes that are unknown or not allowed (RFC 6749 section 5.2). oidc-provider would drop them and grant the
 * rest.
 */
function assertScopesAllowed(ctx: KoaContextWithOIDC): void {
  const allowed = new Set(ctx.oidc.client?.scope?.split(' '));
  const requested = [...ctx.oidc.requestParamScopes];
  if (requested.length === 0) throw new errors.InvalidScope('scope is required', '');
  const refused = requested.find((scope) => !allowed.has(scope));
  if (refused !== undefined) throw new errors.InvalidScope('requested scope is not allowed', refused);
}

/** How the adapter of clients finds one. */
function found(findClient: ProviderOptions['findClient']): Adapter['find'] {
  return async (clientId) => {
    const client = findClient(clientId);
    return client && clientMetadata(client);
  };
}

function clientMetadata({ clientId, certificateSubjectDn, scopes }: AuthorisationServerClient): ClientMetadata {
  return {
    client_id: clientId,
    grant_types: ['client_credentials'],
    id_token_signed_response_alg: 'PS256',
    redirect_uris: [],
    response_types: [],
    scope: scopes.join(' '),
    tls_client_auth_subject_dn: certificateSubjectDn,
    tls_client_certificate_bound_access_tokens: true,
    token_endpoint_auth_method: 'tls_client_auth',
  };
}

function privateJwk({ keyPem, kid }: ProviderOptions['signingKey']): JWK {
  return { ...createPrivateKey(keyPem).export({ format: 'jwk' }), kid, alg: 'PS256', use: 'sig' };
}

/** Corrects metadata that oidc-provider states whatever its settings are, and that would mislead clients. */
function withoutWhatIsNotServed(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const { authorization_endpoint: _, ...served } = { authorization_endpoint: undefined, ...body };
  return { ...served, scopes_supported: SCOPES };
}

function assertOptions({ audience, clients }: ProviderOptions): void {
  if (!URL.canParse(audience) || audience.includes('#')) {
    throw new TypeError(`The audience must be an absolute URI without a fragment, and is ${JSON.stringify(audience)}`);
  }
  for (const client of clients) assertClient(client);
}

/** @throws {TypeError} for an invalid client */
export function assertClient({ clientId, certificateSubjectDn, scopes }: AuthorisationServerClient): void {
  // A text that is not a distinguished name equals none, not even itself.
  if (!sameDistinguishedName(certificateSubjectDn, certificateSubjectDn)) {
    throw new TypeError(`The certificate subject of client ${clientId} is not a distinguished name (RFC 4514)`);
  }
  if (scopes.length === 0 || !scopes.every((scope) => SCOPES.includes(scope))) {
    throw new TypeError(`The scopes of client ${clientId} must be some of ${SCOPES.join(', ')}`);
  }
}

/**
 * An adapter that stores nothing: clients are configured, and tokens are signed JWTs that are not looked up. Memory
 * therefore does not grow with the tokens issued. A call that would store something is a bug, to which oidc-provider
 * responds with `server_error`.
 */
const NOTHING_STORED: Adapter = {
  find: async () => undefined,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  upsert: async (id) =>
    assert.fail(`The authorisation server stores nothing, and was asked to store ${id.length} characters`),
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
};
