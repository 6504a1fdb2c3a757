/** The bank's identity provider of the sandbox: its staff sign in to the console by the authorisation code flow with PKCE. */

import { createPrivateKey, randomBytes } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { type Configuration, errors, Provider } from 'oidc-provider';
import { type MutualTls, startHttpServer } from '../http-server.ts';
import { memoryAdapters } from './memory.ts';
import { STAFF } from './staff.ts';

/** Options of the identity provider. */
export interface IdentityProviderOptions {
  readonly host: string;
  /** Port to listen on; 0 for any free port. */
  readonly port: number;
  readonly tls: Omit<MutualTls, 'caPem'>;
  /** Key that signs the tokens (PS256): an RSA private key in PEM, and its `kid` in the JWKS. */
  readonly signingKey: { readonly keyPem: string; readonly kid: string };
  /** client_id of the console, a public client. */
  readonly clientId: string;
  readonly redirectUrl: string;
  /** `aud` of the access tokens. */
  readonly audience: string;
  /** Optional observer of errors while handling requests. */
  readonly onError?: (error: Error) => void;
}

/** A running identity provider. */
export interface IdentityProvider {
  /** `https://localhost:{port}`, whatever the listening address. */
  readonly issuer: string;
  readonly jwksUri: string;
  close(): Promise<void>;
}

/** Below this path is everything that a browser sees. */
export const IDENTITY_PROVIDER_PATH = '/identity-provider/';
const ROUTES = {
  authorization: `${IDENTITY_PROVIDER_PATH}authorize`,
  token: `${IDENTITY_PROVIDER_PATH}token`,
  jwks: `${IDENTITY_PROVIDER_PATH}jwks`,
} as const;
const SIGN_IN = `${IDENTITY_PROVIDER_PATH}sign-in/`;
const DISCOVERY = '/.well-known/openid-configuration';
const SCOPE = 'openid';
const TOKEN_TTL_SECONDS = 300;
const SIGN_IN_TTL_SECONDS = 600;
const BODY_CHARS_MAX = 1000;

/**
 * Starts the identity provider. Whoever opens it chooses a member of staff; there are no passwords, because it is for trying
 * the console on one machine. The access tokens are JWTs with the claims `name` and `roles`.
 *
 * @throws the error of `listen` with its code, such as `EADDRINUSE`
 */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<IdentityProvider> {
  const onError = options.onError ?? (() => undefined);
  // The issuer contains the port, so the server must listen before the provider is created.
  const provided = Promise.withResolvers<Provider>();
  const callback: RequestListener = async (request, response) => {
    void (await provided.promise).callback()(withoutSession(request), response);
  };
  const interaction = (act: typeof showSignIn): RequestListener => {
    return async (request, response) => {
      await act(await provided.promise, request, response).catch((error) => {
        // It was begun too long ago, or in another browser.
        const status = error instanceof errors.SessionNotFound ? 400 : 500;
        if (status === 500) onError(error instanceof Error ? error : new Error(String(error)));
        sendPage(response, status, '<p>This sign-in cannot go on; begin again at the console.</p>');
      });
    };
  };
  const server = await startHttpServer({
    ...options,
    endpoints: [
      ...[DISCOVERY, ROUTES.jwks, ROUTES.authorization, `${ROUTES.authorization}/:uid`].map(
        (path) => ({ method: 'GET', path, answer: callback }) as const,
      ),
      { method: 'POST', path: ROUTES.token, answer: callback },
      { method: 'GET', path: `${SIGN_IN}:uid`, answer: interaction(showSignIn) },
      { method: 'POST', path: `${SIGN_IN}:uid/chosen`, answer: interaction(finishSignIn) },
    ],
  });
  const issuer = `https://localhost:${server.port}`;
  const provider = new Provider(issuer, configurationFor(options));
  provider.on('server_error', (_ctx, error) => onError(error));
  provided.resolve(provider);
  return { issuer, jwksUri: `${issuer}${ROUTES.jwks}`, close: server.close };
}

function configurationFor({ clientId, redirectUrl, audience, signingKey }: IdentityProviderOptions): Configuration {
  const { keyPem, kid } = signingKey;
  const jwk = { ...createPrivateKey(keyPem).export({ format: 'jwk' }), kid, alg: 'PS256', use: 'sig' };
  return {
    adapter: memoryAdapters(),
    clients: [
      {
        client_id: clientId,
        redirect_uris: [redirectUrl],
        grant_types: ['authorization_code'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        id_token_signed_response_alg: 'PS256',
      },
    ],
    clientAuthMethods: ['none'],
    clientBasedCORS: () => false,
    cookies: { keys: [randomBytes(32).toString('base64url')] },
    enabledJWA: { idTokenSigningAlgValues: ['PS256'] },
    extraTokenClaims: (_ctx, token) => {
      const member = STAFF.find(({ id }) => 'accountId' in token && id === token.accountId);
      return member && { name: member.name, roles: [member.role] };
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          ...{ audience, scope: SCOPE, accessTokenTTL: TOKEN_TTL_SECONDS },
          ...({ accessTokenFormat: 'jwt', jwt: { sign: { alg: 'PS256' } } } as const),
        }),
      },
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    interactions: { url: (_ctx, { uid }) => `${SIGN_IN}${uid}` },
    jwks: { keys: [jwk] },
    // Staff consent to nothing: the console is the bank's own.
    loadExistingGrant: async ({ oidc }) => {
      const grant = new oidc.provider.Grant({ clientId, accountId: oidc.session?.accountId ?? '' });
      grant.addOIDCScope(SCOPE);
      grant.addResourceScope(audience, SCOPE);
      await grant.save();
      return grant;
    },
    pkce: { required: () => true },
    renderError: (ctx, { error }) => {
      ctx.type = 'text/plain';
      ctx.body = `The sign-in failed (${error}); begin again at the console.\n`;
    },
    responseTypes: ['code'],
    routes: ROUTES,
    scopes: [SCOPE],
    ttl: {
      ...{ AccessToken: TOKEN_TTL_SECONDS, AuthorizationCode: 60, IdToken: TOKEN_TTL_SECONDS },
      ...{ Grant: SIGN_IN_TTL_SECONDS, Interaction: SIGN_IN_TTL_SECONDS, Session: SIGN_IN_TTL_SECONDS },
    },
  };
}

/** Whoever signs out and in again may choose to be another person, so no session at the provider is looked at. */
function withoutSession(request: IncomingMessage): IncomingMessage {
  const cookies = request.headers.cookie?.split('; ').filter((each) => !each.startsWith('_session'));
  if (cookies !== undefined) request.headers.cookie = cookies.join('; ');
  return request;
}

async function showSignIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { uid } = await provider.interactionDetails(request, response);
  const members = STAFF.map(({ id, name, role }) => `<p><button name="id" value="${id}">${name}, ${role}</button></p>`);
  sendPage(response, 200, `<form method="post" action="${SIGN_IN}${uid}/chosen">${members.join('')}</form>`);
}

async function finishSignIn(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  await provider.interactionDetails(request, response);
  const form = new URLSearchParams((await text(request)).slice(0, BODY_CHARS_MAX));
  const member = STAFF.find(({ id }) => id === form.get('id'));
  if (member === undefined) return sendPage(response, 400, '<p>There is nobody of this name.</p>');
  const login = { accountId: member.id, remember: false };
  await provider.interactionFinished(request, response, { login }, { mergeWithLastSubmission: false });
}

// No form-action: browsers apply it to the redirects that lead back to the console, too.
const PAGE_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'content-type': 'text/html; charset=utf-8',
  'referrer-policy': 'no-referrer',
} as const;

function sendPage(response: ServerResponse, status: number, content: string): void {
  const head = '<meta name="viewport" content="width=device-width"><title>Sandbox identity provider</title>';
  const body = `<main><h1>Sandbox bank</h1><p>Who are you? In the sandbox nobody has a password.</p>${content}</main>`;
  response
    .writeHead(status, PAGE_HEADERS)
    .end(`<!doctype html><html lang="en"><head>${head}</head><body>${body}</body></html>`);
}
