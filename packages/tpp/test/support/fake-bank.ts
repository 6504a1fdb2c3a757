import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { signDetached } from '@tidings/protocol';
import { listenHttps, makeParticipant, sendJson, testPki } from '@tidings/testing';
import { type BankClient, type BankClientOptions, createBankClient } from '@tidings/tpp';
import { createFakeEvents, type FakeEvents } from './fake-events.ts';
import { type RegisteringBank, type Seen, serveRegistrations } from './fake-registrations.ts';
import { BANK_ORG_ID, TPP_SIGNER } from './sets.ts';

const tppMade = makeParticipant(TPP_SIGNER, 'tpp-key-1');
const bankMade = makeParticipant(BANK_ORG_ID, 'bank-key-1');

export const NOW_MS = 1_763_700_000_000;
const PREFIX = '/open-banking/v4.0';

/** Takes a request in place of the bank's own answer; false leaves it to the bank. */
export type Instead = (seen: Seen, response: ServerResponse) => boolean | Promise<boolean>;

/** A bank with one TPP: authorisation server, registrations, polling and one resource, over mutual TLS. */
export interface FakeBank extends RegisteringBank {
  readonly client: BankClient;
  readonly seen: Seen[];
  readonly tokenRequests: URLSearchParams[];
  readonly exchanges: { interactionIdEchoed: boolean; status: number }[];
  /** The time, which the test turns. */
  nowMs: number;
  /** What can be collected by polling. */
  readonly events: FakeEvents;
  /** The token that is given out and taken. */
  token: { value: string; answer: Record<string, unknown> };
  instead: Instead | undefined;
}

/** Options of the client; those that need the bank's origin are made of it. */
export type ClientChanges = Partial<BankClientOptions> | ((origin: string) => Partial<BankClientOptions>);

/** Starts the bank and makes a client of it. */
export async function startBank(t: TestContext, changes: ClientChanges = {}): Promise<FakeBank> {
  const pki = await testPki();
  const [tpp, bankKeys] = await Promise.all([tppMade, bankMade]);
  const listener: RequestListener = (request, response) => {
    serve(bank, request, response).catch((error: Error) => response.writeHead(500).end(error.message));
  };
  const { origin } = await listenHttps(t, listener, { requestCert: true, rejectUnauthorized: true });
  const client = createBankClient({
    clientId: 'tpp-client-1',
    issuer: origin,
    baseUrl: origin + PREFIX,
    transport: { ...pki.client, caPem: pki.caPem },
    signer: tpp.signer,
    bank: { signer: BANK_ORG_ID, keys: bankKeys.keys },
    resourceOrigins: [origin],
    onExchange: (exchange) => void bank.exchanges.push(exchange),
    now: () => bank.nowMs,
    // Most tests are about one exchange.
    retriesMax: 0,
    ...(typeof changes === 'function' ? changes(origin) : changes),
  });
  t.after(() => client.close());
  const bank: FakeBank = {
    origin,
    client,
    seen: [],
    tokenRequests: [],
    exchanges: [],
    nowMs: NOW_MS,
    subscription: undefined,
    callbackUrl: undefined,
    events: createFakeEvents(),
    unencodedPayload: false,
    tppKeys: tpp.keys,
    token: { value: 'token-1', answer: { token_type: 'Bearer', expires_in: 300, scope: 'accounts' } },
    instead: undefined,
    answer: async (seen, response, status, body) => {
      const bytes = Buffer.from(JSON.stringify(body));
      const unencodedPayload = bank.unencodedPayload && seen.path.startsWith('/open-banking/v3.1/');
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'x-fapi-interaction-id': String(seen.headers['x-fapi-interaction-id']),
        'x-jws-signature': await signDetached(bytes, bankKeys.signer, NOW_MS / 1000, { unencodedPayload }),
      });
      response.end(bytes);
    },
  };
  return bank;
}

async function serve(bank: FakeBank, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!(request.socket as TLSSocket).authorized) throw new Error('no client certificate');
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const { method = '', url: path = '', headers } = request;
  const seen: Seen = { method, path, headers, body: Buffer.concat(chunks) };
  bank.seen.push(seen);
  if ((await bank.instead?.(seen, response)) === true) return;
  if (path === '/.well-known/openid-configuration') return sendJson(response, metadataOf(bank.origin));
  if (path === '/mtls/token') {
    bank.tokenRequests.push(new URLSearchParams(seen.body.toString()));
    return sendJson(response, { access_token: bank.token.value, ...bank.token.answer });
  }
  if (headers.authorization !== `Bearer ${bank.token.value}`) return void response.writeHead(401).end();
  if (path === '/resource') return void response.end('{"Data":{"Status":"AcceptedSettlementCompleted"}}');
  const [, version, resource] = /^\/open-banking\/(v3\.1|v4\.0)\/([a-z-]+)/.exec(path) ?? [];
  if (resource === 'events' && method === 'POST') return await bank.events.serve(seen, response);
  if (version === 'v3.1' || version === 'v4.0') return await serveRegistrations(bank, seen, response, version);
  response.writeHead(404).end();
}

function metadataOf(origin: string): object {
  return {
    issuer: origin,
    token_endpoint: `${origin}/token-without-mutual-tls`,
    mtls_endpoint_aliases: { token_endpoint: `${origin}/mtls/token` },
  };
}
