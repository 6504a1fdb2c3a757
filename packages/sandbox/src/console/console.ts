import type { IncomingMessage, ServerResponse } from 'node:http';
import { isJsonObject } from '@tidings/protocol';
import type { ConsoleListener } from './listener.ts';
import { createProxy, type OperatorProxy } from './proxy.ts';
import { SignInLinks } from './sign-in-links.ts';

/** Something that a person can make happen, for the button of the console. */
export interface ConsoleAction {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** Does it. @returns the view of the console that shows what came of it, such as `/live` */
  readonly act: () => Promise<string>;
}

export interface ConsoleOptions {
  readonly listener: ConsoleListener;
  /** The operator listener, with TLS. */
  readonly operatorUrl: string;
  /** The identity provider of the staff, with TLS. */
  readonly identityProviderUrl: string;
  readonly caPem: string;
  /** The token of the sessions that the link starts. */
  readonly operatorToken: string;
  readonly actions: readonly ConsoleAction[];
  /** Called when a link has signed somebody in. */
  readonly onSignedIn: () => void;
  /** Called with a new link when one was followed that had been used. */
  readonly onLinkNeeded: (link: string) => void;
}

/** A running console of the sandbox. */
export interface SandboxConsole {
  /** @returns a new link that signs in whoever follows it first; nothing else has its code */
  link(): string;
  /** Whether the service has the pages of the console: a checkout may not have built them. */
  isBuilt(): Promise<boolean>;
  close(): void;
}

const ACTING_ROLES = ['operator', 'administrator'];
const LINK_PATH = '/open/';
const ACTION = /^\/sandbox\/actions(?:\/([a-z-]+))?$/;
const PROXIED = /^\/(?:console(?:\/|$)|operator\/v1\/|identity-provider\/)/;
// Tells the console that it may ask for the actions.
const SANDBOX_HEADER = { 'tidings-sandbox': 'true' };
const OWN_HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/**
 * Serves the console of the sandbox's service without TLS on a loopback address, which a browser opens without a warning about
 * certificates. A link with a code signs in, once.
 *
 * A request is answered only if its `Host` is this listener: a name that an attacker makes resolve to this machine (DNS
 * rebinding) is not. The operator listener refuses what another site makes a browser send, as it does without this proxy.
 */
export function serveConsole(options: ConsoleOptions): SandboxConsole {
  const { listener } = options;
  const { origin, port } = listener;
  const links = new SignInLinks();
  const proxy = createProxy({ ...options, origin, cookie: `tidings-sandbox-${port}` });
  const link = () => `${origin}${LINK_PATH}${links.issue()}`;
  const hosts = [new URL(origin).host, `localhost:${port}`];
  listener.serve((request, response) => answer({ ...options, proxy, links, link, hosts }, request, response));
  return {
    link,
    isBuilt: async () => (await proxy.ask('GET', '/console/', {})).status === 200,
    close: () => proxy.close(),
  };
}

interface Context extends ConsoleOptions {
  readonly proxy: OperatorProxy;
  readonly links: SignInLinks;
  readonly link: () => string;
  readonly hosts: readonly string[];
}

async function answer(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { host = '' } = request.headers;
  if (!context.hosts.includes(host)) return send(response, 421, 'This is not the host of the sandbox.\n');
  const { pathname, search } = new URL(request.url ?? '/', `http://${host}`);
  if (PROXIED.test(pathname)) return context.proxy.forward(request, response, `${pathname}${search}`, SANDBOX_HEADER);
  const action = ACTION.exec(pathname);
  if (action !== null) return answerAction(context, request, response, action[1] ?? '');
  if (request.method !== 'GET') return send(response, 405, 'Only GET is supported here.\n');
  if (pathname === '/') return redirect(response, '/console/');
  if (pathname.startsWith(LINK_PATH)) return signIn(context, request, response, pathname.slice(LINK_PATH.length));
  return send(response, 404, 'There is nothing here; the console is at /console/.\n');
}

const LINK_USED = 'This link has been used. The sandbox has printed a new one in the terminal in which it runs.\n';

async function signIn(
  context: Context,
  request: IncomingMessage,
  response: ServerResponse,
  code: string,
): Promise<void> {
  const { proxy, links, operatorToken, onSignedIn, onLinkNeeded, link } = context;
  // What a browser fetches in advance must not use the link up.
  if (request.headers['sec-purpose'] !== undefined) return send(response, 503, 'Not in advance.\n');
  const redemption = links.redeem(code);
  if (redemption === 'unknown') return send(response, 404, 'This is not a link of the sandbox that runs now.\n');
  if (redemption === 'used') {
    if ((await rolesOf(proxy, request)) !== undefined) return redirect(response, '/console/');
    // One that nobody has followed yet is still good.
    if (!links.hasUnused()) onLinkNeeded(link());
    return send(response, 410, LINK_USED);
  }
  const headers = { 'content-type': 'application/json', 'tidings-console': 'active' };
  const body = JSON.stringify({ token: operatorToken });
  const { status, cookies } = await proxy.ask('POST', '/console/session', headers, body);
  if (status !== 200) return send(response, 502, 'The service did not sign you in; see its log.\n');
  response.setHeader('set-cookie', cookies);
  redirect(response, '/console/');
  onSignedIn();
}

/** @returns the roles of the session of a request; undefined: it has none */
async function rolesOf(proxy: OperatorProxy, { headers }: IncomingMessage): Promise<readonly unknown[] | undefined> {
  if (headers.cookie === undefined) return undefined;
  const { status, body } = await proxy.ask('GET', '/console/session', { cookie: headers.cookie });
  const session: unknown = status === 200 ? JSON.parse(body) : undefined;
  return isJsonObject(session) && Array.isArray(session['roles']) ? session['roles'] : undefined;
}

/** Lists the actions, or does one. The request must come from a page of this origin, with its session. */
async function answerAction(context: Context, request: IncomingMessage, response: ServerResponse, name: string) {
  const { headers, method } = request;
  const isOwn = (headers['sec-fetch-site'] ?? 'same-origin') === 'same-origin';
  if (!isOwn || headers['tidings-console'] === undefined)
    return send(response, 403, 'This is for the console alone.\n');
  const roles = await rolesOf(context.proxy, request);
  if (roles === undefined) return send(response, 401, 'Sign in first.\n');
  if (!ACTING_ROLES.some((each) => roles.includes(each)))
    return send(response, 403, 'Your role does not allow this.\n');
  if (method === 'GET' && name === '') {
    return sendJson(
      response,
      context.actions.map(({ act: _, ...shown }) => shown),
    );
  }
  const action = context.actions.find((each) => each.name === name);
  if (method !== 'POST' || action === undefined) return send(response, 404, 'The sandbox has no such action.\n');
  return sendJson(response, { open: await action.act() });
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { ...OWN_HEADERS, location }).end();
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { ...OWN_HEADERS, 'content-type': 'text/plain; charset=utf-8' }).end(body);
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { ...OWN_HEADERS, 'content-type': 'application/json' }).end(JSON.stringify(body));
}
