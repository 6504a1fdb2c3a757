import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { IDENTITY_PROVIDER_PATH } from '../identity-provider/identity-provider.ts';

const SESSION_COOKIE = '__Host-tidings-session';
// Of one connection (RFC 9110 section 7.6.1).
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];
// The certificates of the sandbox are for this name, whatever name the browser used.
const SERVER_NAME = 'localhost';

/** An answer of the operator listener to a request of this program. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  /** `Set-Cookie` headers, as a browser keeps them without TLS. */
  readonly cookies: readonly string[];
}

/** Options of the proxy. */
export interface ProxyOptions {
  readonly operatorUrl: string;
  readonly identityProviderUrl: string;
  /** The listener of this program, such as `http://127.0.0.1:8445`. */
  readonly origin: string;
  readonly caPem: string;
  /** Name of the session cookie at the browser. */
  readonly cookie: string;
}

/** Passes requests on to the operator listener, and to the identity provider. */
export interface OperatorProxy {
  /** Passes a request of a browser on, and streams the answer back. @param added further headers of the answer */
  forward(request: IncomingMessage, response: ServerResponse, path: string, added?: OutgoingHttpHeaders): void;
  /** Sends a request of this program. Rejects with the error of the connection. */
  ask(method: string, path: string, headers: IncomingHttpHeaders, body?: string): Promise<Answer>;
  close(): void;
}

/**
 * Creates a proxy from a plain listener on a loopback address to the operator listener and the identity provider, which have TLS. A browser keeps a
 * cookie with `Secure` or the prefix `__Host-` only over TLS, so both are taken off on the way to it. The product never
 * does that: here no request leaves the machine.
 */
export function createProxy(options: ProxyOptions): OperatorProxy {
  const { operatorUrl, identityProviderUrl, origin, caPem, cookie } = options;
  const agent = new Agent({ ca: caPem, rejectUnauthorized: true, servername: SERVER_NAME, keepAlive: true });
  const send = (method: string, path: string, headers: IncomingHttpHeaders) => {
    const sent: OutgoingHttpHeaders = withoutHopByHop(headers);
    if (headers.cookie !== undefined) sent['cookie'] = headers.cookie.replace(`${cookie}=`, `${SESSION_COOKIE}=`);
    const upstream = path.startsWith(IDENTITY_PROVIDER_PATH) ? identityProviderUrl : operatorUrl;
    return httpsRequest(new URL(path, upstream), { agent, method, headers: sent });
  };
  const cookiesOf = ({ headers }: IncomingMessage) =>
    headers['set-cookie']?.map((each) => each.replace(`${SESSION_COOKIE}=`, `${cookie}=`).replace(/; secure\b/i, ''));
  // Neither knows the address at which the browser is.
  const locationOf = ({ headers: { location } }: IncomingMessage) =>
    [identityProviderUrl, origin.replace('http:', 'https:')].reduce((to, from) => to?.replace(from, ''), location);
  return {
    forward: (request, response, path, added) => {
      const sent = send(request.method ?? 'GET', path, request.headers);
      sent.on('response', (answer) => {
        const cookies = cookiesOf(answer);
        const location = locationOf(answer);
        const changed = { ...(cookies && { 'set-cookie': cookies }), ...(location && { location }) };
        const headers = { ...withoutHopByHop(answer.headers), ...changed, ...added };
        // The live stream has headers long before its first entry.
        response.writeHead(answer.statusCode ?? 502, headers).flushHeaders();
        answer.on('error', () => response.destroy()).pipe(response);
      });
      sent.on('error', () => {
        if (response.headersSent) response.destroy();
        else response.writeHead(502, { 'content-type': 'text/plain' }).end('The service does not answer.\n');
      });
      response.on('close', () => sent.destroy());
      request.pipe(sent);
    },
    ask: async (method, path, headers, body) => {
      const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
      send(method, path, headers).on('response', resolve).on('error', reject).end(body);
      const answer = await promise;
      return { status: answer.statusCode ?? 502, body: await text(answer), cookies: cookiesOf(answer) ?? [] };
    },
    close: () => agent.destroy(),
  };
}

function withoutHopByHop(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name)));
}
