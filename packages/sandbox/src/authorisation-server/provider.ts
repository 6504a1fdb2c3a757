/**
 * oidc-provider, brought down to what an ASPSP's Authorisation Server does for event notifications: access
 * tokens by the client credentials grant, to clients that mutual TLS authenticates, bound to the certificate
 * they showed.
 */

import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import type { Adapter, ClientMetadata, Configuration, JWK, KoaContextWithOIDC } from 'oidc-provider';
import { errors, Provider } from 'oidc-provider';
import { type DistinguishedName, parseDistinguishedName } from '../pki/distinguished-name.ts';
import { isPeerCertificateAuthorised, peerCertificate, peerSubjectMatches } from './client-certificate.ts';

/** The scopes of the Read/Write API Specification that there are. */
const SCOPES: readonly string[] = ['accounts', 'payments', 'fundsconfirmations'];

/** A TPP's registration at the Authorisation Server. */
export interface AuthorisationServerClient {
  readonly clientId: string;
  /** The subject of its transport certificate, as RFC 4514 writes it. */
  readonly certificateSubjectDn: string;
  /** Scopes that it may ask for, of `accounts`, `payments`, `fundsconfirmations`. */
  readonly scopes: readonly string[];
}

/** Options of the provider. */
export interface ProviderOptions {
  readonly issuer: string;
  /** Signs the access tokens (PS256): an RSA private key in PEM, and the `kid` it is served under. */
  readonly signingKey: { readonly keyPem: string; readonly kid: string };
  /** An absolute URI without a fragment. */
  readonly audience: string;
  readonly accessTokenTtlSeconds: number;
  readonly clients: readonly AuthorisationServerClient[];
}

/** Paths of the endpoints. Serve nothing else: oidc-provider has more that no setting turns off. */
export const ROUTES = { token: '/token', jwks: '/jwks' } as const;
/** Where the metadata is, under its two names. */
export const DISCOVERY_PATHS: readonly string[] = [
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

/**
 * Makes the provider. Serve it with `callback()` behind mutual TLS that ends in this process: it reads the
 * certificate off the socket.
 *
 * @throws TypeError for a client or an audience that cannot work, here and not at the first token request.
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
  const { signingKey, accessTokenTtlSeconds, clients } = options;
  return {
    adapter: () => NOTHING_STORED,
    clients: clients.map(clientMetadata),
    clientAuthMethods: ['tls_client_auth'],
    // Left to its defaults, these two would print a notice, and answer a browser: there is none here.
    clientBasedCORS: () => false,
    renderError: (ctx, error) => {
      ctx.body = error;
    },
    enabledJWA: { idTokenSigningAlgValues: ['PS256'] },
    jwks: { keys: [privateJwk(signingKey)] },
    // A response type would bring the authorisation code or implicit grant with it.
    responseTypes: [],
    routes: ROUTES,
    scopes: SCOPES,
    ttl: { ClientCredentials: accessTokenTtlSeconds },
    features: {
      clientCredentials: { enabled: true },
      mTLS: mutualTlsFeature(clients),
      resourceIndicators: resourceFeature(options),
      // On by default, and not wanted:
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
  };
}

function mutualTlsFeature(clients: readonly AuthorisationServerClient[]) {
  const subjects = new Map<string, DistinguishedName>(
    clients.map(({ certificateSubjectDn }) => [certificateSubjectDn, parseDistinguishedName(certificateSubjectDn)]),
  );
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    tlsClientAuth: true,
    getCertificate: (ctx: KoaContextWithOIDC) => peerCertificate(ctx.socket),
    certificateAuthorized: (ctx: KoaContextWithOIDC) => isPeerCertificateAuthorised(ctx.socket),
    certificateSubjectMatches: (ctx: KoaContextWithOIDC, property: string, expected: string) => {
      const registered = subjects.get(expected);
      return (
        property === 'tls_client_auth_subject_dn' &&
        registered !== undefined &&
        peerSubjectMatches(ctx.socket, registered)
      );
    },
  } as const;
}

/**
 * One resource server, the bank's, whether the client names it (`resource`, RFC 8707) or not. Its tokens are
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
 * oidc-provider would drop scopes that it does not know and give a token for the rest; here they are refused
 * (RFC 6749 section 5.2).
 */
function assertScopesAllowed(ctx: KoaContextWithOIDC): void {
  const allowed = new Set(ctx.oidc.client?.scope?.split(' '));
  const requested = [...ctx.oidc.requestParamScopes];
  if (requested.length === 0) throw new errors.InvalidScope('scope is required', '');
  const refused = requested.find((scope) => !allowed.has(scope));
  if (refused !== undefined) throw new errors.InvalidScope('requested scope is not allowed', refused);
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

/** oidc-provider states these whatever its settings are; a client that believed them would fail. */
function withoutWhatIsNotServed(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const { authorization_endpoint: _, ...served } = { authorization_endpoint: undefined, ...body };
  return { ...served, scopes_supported: SCOPES };
}

function assertOptions({ audience, clients }: ProviderOptions): void {
  if (!URL.canParse(audience) || audience.includes('#')) {
    throw new TypeError(`The audience must be an absolute URI without a fragment, and is ${JSON.stringify(audience)}`);
  }
  for (const { clientId, scopes } of clients) {
    if (scopes.length === 0 || !scopes.every((scope) => SCOPES.includes(scope))) {
      throw new TypeError(`The scopes of client ${clientId} must be some of ${SCOPES.join(', ')}`);
    }
  }
}

/**
 * Finds nothing and stores nothing: the clients are configured, and a token is a signed JWT that nobody looks
 * up here. So memory does not grow with the tokens issued. A call that would store something is a bug, which
 * oidc-provider answers with `server_error`.
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
