import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type OidcSignIn, SignInFailed } from '../trust/oidc-sign-in.ts';
import type { Principal } from './access.ts';
import { Problem } from './problem.ts';
import { assertOwnSite, SESSION_TOKEN_CHARS_MAX, type SessionOwner, type Sessions } from './session.ts';

/** Where `npm run build` of the console puts its files, and where a published package has them. */
const BUILT = fileURLToPath(new URL('../../console/', import.meta.url));

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** Scripts, styles and calls of the console's own origin only, none of them inline. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

// The name of an asset has a hash of its content.
const IMMUTABLE = 'public, max-age=31536000, immutable';

const NOT_BUILT = `The console is not built here.

In a checkout, run "npm run build --workspace packages/console" and reload this page.
An installed package has it built; this one was packed without.
`;

/** Dependencies of the console. */
export interface ConsoleOptions {
  readonly sessions: Sessions;
  /** Authenticates the owner of a session as the operator API does. @throws {Problem} */
  readonly authenticate: (owner: SessionOwner, request: FastifyRequest) => Promise<Principal>;
  /** Sign-in at the identity provider; undefined: with tokens alone. */
  readonly oidcSignIn: OidcSignIn | undefined;
  /** Counts a sign-in before its token is looked at. @returns gives it back. @throws {Problem} 429 */
  readonly limit: (request: FastifyRequest) => () => void;
}

/** Adds the pages of the console and its sign-in to the operator listener. None of it is part of the operator API. */
export function addConsole(app: FastifyInstance, options: ConsoleOptions): void {
  const { sessions } = options;
  const add = (method: string, url: string, handler: (request: FastifyRequest, reply: FastifyReply) => unknown) => {
    const operation = {
      operationId: `console ${method} ${url}`,
      role: 'nobody',
      bodyTypes: ['application/json'],
    } as const;
    app.route({ method, url, config: { operation }, handler });
  };
  add('GET', '/console', sendIndex);
  add('GET', '/console/*', sendIndex);
  add('GET', '/console/assets/:name', sendAsset);
  add('GET', '/console/session', async (request) => {
    const session = await sessions.of(request);
    const nobody = { isSignedIn: false, hasIdentityProvider: options.oidcSignIn !== undefined };
    if (session === undefined) return nobody;
    const signedIn = await options.authenticate(session.owner, request).catch((error) => {
      if (error instanceof Problem && error.status < 500) return undefined;
      throw error;
    });
    return signedIn === undefined ? nobody : describeSession(signedIn, sessions.endsOf(session));
  });
  add('POST', '/console/session', async (request, reply) => {
    assertOwnSite(request);
    const giveBack = options.limit(request);
    const token = readToken(request.body);
    const signedIn = await options.authenticate({ token }, request);
    giveBack();
    request.log.info({ operator: signedIn.name }, 'signed in to the console');
    reply.header('set-cookie', await sessions.start({ token }));
    return { isSignedIn: true };
  });
  add('DELETE', '/console/session', async (request, reply) => {
    assertOwnSite(request);
    reply.header('set-cookie', await sessions.end(request)).header('clear-site-data', '"cache"');
    return reply.code(204).send();
  });
  const { oidcSignIn } = options;
  if (oidcSignIn === undefined) return;
  add('GET', '/console/sign-in/start', async (_request, reply) => {
    try {
      const { url, pending } = await oidcSignIn.begin();
      return await reply.header('set-cookie', await sessions.keepPending(pending)).redirect(url);
    } catch (error) {
      return sendBack(error, reply);
    }
  });
  add('GET', '/console/sign-in/callback', async (request, reply) => {
    const pending = await sessions.pendingOf(request);
    if (pending === undefined) return reply.redirect('/console/sign-in?problem=expired');
    try {
      const token = await oidcSignIn.finish(request.url.slice(request.url.indexOf('?')), pending);
      const { name, values = [] } = await options.authenticate({ token }, request);
      request.log.info({ operator: name }, 'signed in to the console at the identity provider');
      reply.header('set-cookie', await sessions.start({ staff: { name, values } }));
      return await reply.redirect('/console/');
    } catch (error) {
      return sendBack(error, reply);
    }
  });
}

/** The page tells what went wrong by a word; the log by a sentence, which may be the provider's. */
function sendBack(error: unknown, reply: FastifyReply): FastifyReply {
  const isProblem = error instanceof Problem;
  if (!isProblem && !(error instanceof SignInFailed)) throw error;
  reply.log.warn({ why: error.message }, 'a sign-in at the identity provider failed');
  const isUnavailable = isProblem ? error.status >= 500 : error.isUnavailable;
  const isForbidden = isProblem && error.status === 403;
  const word = isForbidden ? 'no-role' : 'refused';
  return reply.redirect(`/console/sign-in?problem=${isUnavailable ? 'unavailable' : word}`);
}

function describeSession(
  { name, roles, authenticatedBy, expiresAtMs = Number.POSITIVE_INFINITY }: Principal,
  { idleAtMs, maxAtMs }: { readonly idleAtMs: number; readonly maxAtMs: number },
) {
  const endsAt = new Date(Math.min(maxAtMs, expiresAtMs)).toISOString();
  const idleAt = new Date(Math.min(idleAtMs, expiresAtMs)).toISOString();
  return { isSignedIn: true, name, roles, authenticatedBy, idleAt, endsAt };
}

/** @throws {Problem} 400 */
function readToken(body: unknown): string {
  try {
    const value = parseStrictJson(body instanceof Uint8Array ? body : new Uint8Array());
    const token = isJsonObject(value) ? value['token'] : undefined;
    if (typeof token === 'string' && token !== '' && token.length <= SESSION_TOKEN_CHARS_MAX) return token;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new Problem(400, `token must be text of 1 to ${SESSION_TOKEN_CHARS_MAX} characters.`, { field: 'token' });
}

/** Every path is a view of the one page. */
async function sendIndex(_request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const index = await readBuilt('index.html');
  reply.headers(HEADERS).header('cache-control', 'no-store');
  if (index === undefined) return reply.code(404).header('content-type', 'text/plain; charset=utf-8').send(NOT_BUILT);
  return reply.header('content-type', 'text/html; charset=utf-8').send(index);
}

const ASSET_NAME = /^[\w-]+(?:\.[\w-]+)+$/;

/** An asset, compressed as the build left it beside the asset. */
async function sendAsset(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { name } = request.params as { readonly name: string };
  const type = TYPES[extname(name)];
  if (!ASSET_NAME.test(name) || type === undefined) throw new Problem(404, 'The console has no such file.');
  reply.headers(HEADERS).header('content-type', type).header('vary', 'accept-encoding');
  const accepted = request.headers['accept-encoding'] ?? '';
  for (const [coding, suffix] of [
    ['br', '.br'],
    ['gzip', '.gz'],
  ] as const) {
    if (!new RegExp(`\\b${coding}\\b`).test(accepted)) continue;
    const compressed = await readBuilt(`assets/${name}${suffix}`);
    if (compressed === undefined) continue;
    return reply.header('content-encoding', coding).header('cache-control', IMMUTABLE).send(compressed);
  }
  const plain = await readBuilt(`assets/${name}`);
  if (plain === undefined) throw new Problem(404, 'The console has no such file; reload the page.');
  return reply.header('cache-control', IMMUTABLE).send(plain);
}

function readBuilt(path: string): Promise<Buffer | undefined> {
  return readFile(`${BUILT}${path}`).catch(() => undefined);
}
