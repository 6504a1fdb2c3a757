import type { BankRequest } from '../bank-client.ts';
import type { AspspContext } from '../context.ts';
import { checksOf, expect, expectStatus, fail, requires } from '../expect.ts';
import { RW_SECURITY, RW_STATUS } from '../sources.ts';
import { type WireClient, WireError } from '../wire.ts';

const { must, should } = checksOf<AspspContext>('Identity and access');
const UNAUTHORISED = 401;
const FORBIDDEN = 403;
const HANDSHAKE_CODES = /^(ERR_SSL|EPROTO|ECONNRESET|EPIPE|ERR_TLS)/;
const RFC_8705 = 'RFC 8705, section 3';
const RFC_6750 = 'RFC 6750, section 2.3';

/** Every endpoint of the bank, with a request that is good. */
function endpoints({
  config,
}: AspspContext): readonly (readonly [method: string, path: string, request: BankRequest])[] {
  const { polling, callbackUrls } = config.features;
  return [
    ['GET', 'event-subscriptions', {}],
    ['POST', 'event-subscriptions', { body: { Data: { Version: '3.1' } } }],
    ...(callbackUrls ? ([['GET', 'callback-urls', {}]] as const) : []),
    ...(polling ? ([['POST', 'events', { body: {} }]] as const) : []),
  ];
}

async function everywhere401(context: AspspContext, request: BankRequest, when: string): Promise<void> {
  for (const version of context.versions) {
    for (const [method, path, good] of endpoints(context)) {
      const answer = await context.first.call(method, path, { ...good, ...request, version });
      expectStatus(answer, UNAUTHORISED, `to ${method} ${version}/${path} ${when}`);
    }
  }
}

/** Whether a connection is refused before there is an answer. @returns what happened instead */
async function connectedInstead({ first }: AspspContext, http: WireClient): Promise<string | undefined> {
  try {
    const { status } = await first.call('GET', 'event-subscriptions', { http });
    return `status ${status}`;
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return HANDSHAKE_CODES.test(error.code) ? undefined : error.message;
  }
}

/** A token of which one character is another one, before the last ones, which may carry no bits. */
function altered(token: string): string {
  const at = Math.max(0, token.length - 20);
  return `${token.slice(0, at)}${token.charAt(at) === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`;
}

/** Checks of section 8: who is served. */
export const ACCESS_CHECKS = [
  must('ACC-01', 'A client without a certificate is not served.', RW_SECURITY, async ({ first, stranger }) => {
    try {
      const answer = await first.call('GET', 'event-subscriptions', { http: stranger });
      // Behind a gateway the connection may stand, but nobody is known by it.
      expectStatus(answer, [UNAUTHORISED, FORBIDDEN], 'to a good token without a client certificate, or no connection');
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (!HANDSHAKE_CODES.test(error.code)) fail('the TLS handshake to be refused', error.message);
    }
  }),
  must('ACC-02', 'A request without an access token is 401.', RW_STATUS, (context) =>
    everywhere401(context, { token: null }, 'without a token'),
  ),
  must('ACC-03', 'A text that is no access token is 401.', RW_STATUS, (context) =>
    everywhere401(context, { token: 'not-a-token' }, 'with a text that is no token'),
  ),
  must('ACC-04', 'An access token that was altered is 401.', RW_STATUS, async (context) =>
    everywhere401(
      context,
      { token: altered(await context.first.token()) },
      'with a token of which one character was changed',
    ),
  ),
  must(
    'ACC-05',
    'An access token works with the certificate that it is bound to, and no other.',
    RFC_8705,
    async (context) =>
      everywhere401(
        context,
        { token: await context.second.token() },
        "with the other client's token over this one's certificate",
      ),
  ),
  must('ACC-06', 'An access token without a scope of the endpoint is 403.', RW_STATUS, async (context) => {
    const scope = context.config.clients[0].scopeWithoutEvents;
    requires(scope !== undefined, 'No such scope is configured (clients[0].scopeWithoutEvents).');
    const token = await context.first.token(scope);
    for (const [method, path, good] of endpoints(context)) {
      const answer = await context.first.call(method, path, { ...good, token });
      expectStatus(answer, FORBIDDEN, `to ${method} /${path} with a token for ${scope} alone`);
    }
  }),
  should('ACC-07', 'An access token in the query is not accepted.', RFC_6750, async ({ first }) => {
    const path = `event-subscriptions?access_token=${encodeURIComponent(await first.token())}`;
    const { status } = await first.call('GET', path, { token: null });
    expect(status >= 400 && status < 500, 'a token in the query to be refused', `status ${status}`);
  }),
  must('ACC-08', 'TLS below 1.2 is not offered.', RW_SECURITY, async (context) => {
    const http = context.olderTls('TLSv1.1');
    try {
      const actual = await connectedInstead(context, http);
      if (actual !== undefined) fail('a handshake with TLS 1.1 to be refused', actual);
    } finally {
      http.close();
    }
  }),
  should('ACC-09', 'The answer to a missing token has no body.', RW_STATUS, async ({ first }) => {
    const answer = await first.call('GET', 'event-subscriptions', { token: null });
    expect(answer.body.length === 0, '401 without a body', `a body of ${answer.body.length} bytes`);
  }),
];
