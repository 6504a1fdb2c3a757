import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import {
  type EventSubscription,
  EventTypeCatalogue,
  readEventSubscription,
  readReplacedEventSubscription,
  signDetached,
  verifyDetached,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import { type BankClient, type BankClientOptions, createBankClient } from '@tidings/tpp';
import { BANK_ORG_ID, makeParticipant, TPP_SIGNER, TRUST_ANCHOR } from './participants.ts';
import { testPki } from './pki.ts';
import { listen } from './servers.ts';

const tppMade = makeParticipant(TPP_SIGNER, 'tpp-key-1');
const bankMade = makeParticipant(BANK_ORG_ID, 'bank-key-1');

export const NOW_MS = 1_763_700_000_000;
const PREFIX = '/open-banking/v4.0';
const RULES = { apiVersion: 'v4.0', catalogue: new EventTypeCatalogue(), eventTypesUrl: undefined } as const;

/** What came to the bank, for a test to look at. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Takes a request in place of the bank's own answer; false leaves it to the bank. */
export type Instead = (seen: Seen, response: ServerResponse) => boolean | Promise<boolean>;

/** A bank with one TPP: authorisation server, event subscriptions and one resource, over mutual TLS. */
export interface FakeBank {
  readonly origin: string;
  readonly client: BankClient;
  readonly seen: Seen[];
  readonly tokenRequests: URLSearchParams[];
  readonly exchanges: { interactionIdEchoed: boolean; status: number }[];
  /** The time, which the test turns. */
  nowMs: number;
  subscription: EventSubscription | undefined;
  /** The token that is given out and taken. */
  token: { value: string; answer: Record<string, unknown> };
  instead: Instead | undefined;
  /** Writes an answer as the bank does: signed, with the interaction id. */
  answer(seen: Seen, response: ServerResponse, status: number, body: unknown): Promise<void>;
}

/** Starts the bank and makes a client of it. */
export async function startBank(t: TestContext, options: Partial<BankClientOptions> = {}): Promise<FakeBank> {
  const pki = await testPki();
  const [tpp, bankKeys] = await Promise.all([tppMade, bankMade]);
  const listener: RequestListener = (request, response) => {
    serve(bank, request, response).catch((error: Error) => response.writeHead(500).end(error.message));
  };
  const { origin } = await listen(t, listener, { requestCert: true, rejectUnauthorized: true });
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
    ...options,
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
    token: { value: 'token-1', answer: { token_type: 'Bearer', expires_in: 300, scope: 'accounts' } },
    instead: undefined,
    answer: async (seen, response, status, body) => {
      const bytes = Buffer.from(JSON.stringify(body));
      response.writeHead(status, {
        'content-type': 'application/json; charset=utf-8',
        'x-fapi-interaction-id': String(seen.headers['x-fapi-interaction-id']),
        'x-jws-signature': await signDetached(bytes, bankKeys.signer, NOW_MS / 1000),
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
  await serveSubscriptions(bank, seen, response);
}

function metadataOf(origin: string): object {
  return {
    issuer: origin,
    token_endpoint: `${origin}/token-without-mutual-tls`,
    mtls_endpoint_aliases: { token_endpoint: `${origin}/mtls/token` },
  };
}

async function serveSubscriptions(bank: FakeBank, seen: Seen, response: ServerResponse): Promise<void> {
  const { method, path, body } = seen;
  const collection = `${PREFIX}/event-subscriptions`;
  const id = decodeURIComponent(path.slice(collection.length + 1));
  if (!path.startsWith(collection)) return void response.writeHead(404).end();
  if (method === 'POST' || method === 'PUT') await checkSignature(seen);
  const self = bank.origin + path;
  if (method === 'GET') {
    const list = bank.subscription === undefined ? [] : [bank.subscription];
    return await bank.answer(seen, response, 200, writeEventSubscriptions(list, self));
  }
  if (method === 'DELETE') {
    bank.subscription = undefined;
    return void response.writeHead(204).end();
  }
  bank.subscription =
    method === 'POST'
      ? { eventSubscriptionId: 'sub-1', ...readEventSubscription(body, RULES) }
      : readReplacedEventSubscription(body, id, RULES);
  await bank.answer(seen, response, method === 'POST' ? 201 : 200, writeEventSubscription(bank.subscription, self));
}

async function checkSignature({ headers, body }: Seen): Promise<void> {
  await verifyDetached(String(headers['x-jws-signature']), body, {
    iss: TPP_SIGNER,
    keys: (await tppMade).keys,
    trustAnchors: [TRUST_ANCHOR],
    nowSeconds: NOW_MS / 1000,
    clockSkewSeconds: 0,
    typesAccepted: [],
    unencodedPayloadAccepted: false,
  });
}

/** Writes JSON without a signature. */
export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}
