import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  API_ERRORS,
  ApiError,
  type ApiVersion,
  type CallbackUrl,
  type EventSubscription,
  EventTypeCatalogue,
  errorBody,
  type KeySource,
  readCallbackUrl,
  readEventSubscription,
  readReplacedEventSubscription,
  verifyDetached,
  writeCallbackUrl,
  writeCallbackUrls,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import { sendJson, TRUST_ANCHOR } from '@tidings/testing';
import { NOW_MS, TPP_SIGNER } from './sets.ts';

/** What came to the bank, for a test to look at. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** What of a bank keeps registrations. */
export interface RegisteringBank {
  readonly origin: string;
  subscription: EventSubscription | undefined;
  callbackUrl: CallbackUrl | undefined;
  /** Take signatures of v3.1 with `b64: false` only, and sign so. */
  unencodedPayload: boolean;
  readonly tppKeys: KeySource;
  /** Writes an answer as the bank does: signed, with the interaction id. */
  answer(seen: Seen, response: ServerResponse, status: number, body: unknown): Promise<void>;
}

/** Answers calls about event subscriptions and callback URLs, as both versions of the API do. */
export async function serveRegistrations(
  bank: RegisteringBank,
  seen: Seen,
  response: ServerResponse,
  apiVersion: ApiVersion,
): Promise<void> {
  const { path } = seen;
  const [, resource, id] = /^\/open-banking\/[^/]+\/([a-z-]+)(?:\/(.*))?$/.exec(path) ?? [];
  const kind = resource === 'callback-urls' ? callbackUrls(bank, apiVersion) : subscriptions(bank, apiVersion);
  if (!/^(event-subscriptions|callback-urls)$/.test(resource ?? '')) return void response.writeHead(404).end();
  try {
    await perform(bank, seen, response, { kind, id: decodeURIComponent(id ?? ''), apiVersion });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    sendJson(response, errorBody(error, apiVersion, 'error-1'), API_ERRORS[error.code].status);
  }
}

interface Call {
  readonly kind: Kind;
  readonly id: string;
  readonly apiVersion: ApiVersion;
}

async function perform(
  bank: RegisteringBank,
  seen: Seen,
  response: ServerResponse,
  { kind, id, apiVersion }: Call,
): Promise<void> {
  const { method, path, body } = seen;
  const self = bank.origin + path;
  if (method === 'GET') return await bank.answer(seen, response, 200, kind.list(self));
  if (method === 'DELETE') {
    kind.remove();
    return void response.writeHead(204).end();
  }
  await checkSignature(bank, seen, apiVersion);
  if (method === 'PUT') {
    if (!kind.exists()) throw new ApiError('ResourceNotFound', { message: 'There is none.' });
    return await bank.answer(seen, response, 200, kind.replace(body, id, self));
  }
  if (kind.exists()) throw new ApiError('RulesResourceAlreadyExists', { message: 'There is one.' });
  await bank.answer(seen, response, 201, kind.create(body, self));
}

interface Kind {
  exists(): boolean;
  list(self: string): unknown;
  create(body: Buffer, self: string): unknown;
  replace(body: Buffer, id: string, self: string): unknown;
  remove(): void;
}

function subscriptions(bank: RegisteringBank, apiVersion: ApiVersion): Kind {
  const rules = {
    apiVersion,
    catalogue: new EventTypeCatalogue(),
    eventTypesUrl: undefined,
    callbackUrlAllowed: true,
  };
  return {
    exists: () => bank.subscription !== undefined,
    list: (self) => writeEventSubscriptions(bank.subscription === undefined ? [] : [bank.subscription], self),
    create: (body, self) => {
      bank.subscription = { eventSubscriptionId: 'sub-1', ...readEventSubscription(body, rules) };
      return writeEventSubscription(bank.subscription, self);
    },
    replace: (body, id, self) => {
      bank.subscription = readReplacedEventSubscription(body, id, rules);
      return writeEventSubscription(bank.subscription, self);
    },
    remove: () => {
      bank.subscription = undefined;
    },
  };
}

function callbackUrls(bank: RegisteringBank, apiVersion: ApiVersion): Kind {
  const put = (body: Buffer, id: string, self: string) => {
    bank.callbackUrl = { callbackUrlId: id, ...readCallbackUrl(body, apiVersion) };
    return writeCallbackUrl(bank.callbackUrl, self);
  };
  return {
    exists: () => bank.callbackUrl !== undefined,
    list: (self) => writeCallbackUrls(bank.callbackUrl === undefined ? [] : [bank.callbackUrl], self),
    create: (body, self) => put(body, 'url-1', self),
    replace: put,
    remove: () => {
      bank.callbackUrl = undefined;
    },
  };
}

async function checkSignature(bank: RegisteringBank, { headers, body }: Seen, apiVersion: ApiVersion): Promise<void> {
  const { unencodedPayload } = await verifyDetached(String(headers['x-jws-signature']), body, {
    iss: TPP_SIGNER,
    keys: bank.tppKeys,
    trustAnchors: [TRUST_ANCHOR],
    nowSeconds: NOW_MS / 1000,
    clockSkewSeconds: 0,
    typesAccepted: [],
    unencodedPayloadAccepted: apiVersion === 'v3.1',
  });
  if (unencodedPayload !== bank.unencodedPayload) throw new Error('the other form of signature was expected');
}
