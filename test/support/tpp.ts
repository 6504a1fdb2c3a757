import assert from 'node:assert/strict';
import {
  type Answer,
  type ClientTls,
  createHttpClient,
  type Exchange,
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  type HttpClient,
  type Identity,
  makeSigningKey,
  type SigningKey,
  signDetached,
  TRUST_ANCHOR,
} from '@tidings/testing';
import { checkAnswer, errorOf, isOfPolls, type Version } from './answers.ts';
import type { Bank } from './bank.ts';

export const SUBSCRIPTIONS = '/open-banking/v4.0/event-subscriptions';
export const CALLBACK_URL = 'https://tpp.example/open-banking/v4.0/event-notifications';

/** A request of a TPP; what is not said is as it should be. */
export interface TppRequest extends Exchange {
  readonly scope?: string;
  /** Null: no Authorization header. */
  readonly token?: string | null;
  /** Null: none; an array: several headers. */
  readonly signature?: string | string[] | null;
  /** Members of the JOSE header that differ; undefined takes one out. */
  readonly joseHeader?: Record<string, unknown>;
}

/** What a poll was answered with. */
export interface Polled {
  readonly sets: Readonly<Record<string, string>>;
  readonly moreAvailable: boolean;
}

/** One TPP: certificate, tokens, signing key, and a client of the bank's API that checks what holds for every answer. */
export interface Tpp {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  readonly transport: Identity;
  readonly tls: ClientTls;
  readonly signing: SigningKey;
  /** A token of the authorisation server, over mutual TLS. */
  token(scope?: string): Promise<string>;
  /** The JOSE header that the standard asks for, with members replaced; undefined takes a member out. */
  header(changes?: Record<string, unknown>): Record<string, unknown>;
  sign(body: string | Uint8Array, header?: Record<string, unknown>, keyPem?: string): string;
  /** Sends a request with token, JSON and signature, and checks what must hold for every answer. */
  request(method: string, path: string, request?: TppRequest): Promise<Answer>;
  /** As {@link Tpp.request}, to a path below `/open-banking/{version}`. */
  call(method: string, version: Version, path: string, request?: TppRequest): Promise<Answer>;
  /** Sends one as it is, over the same connections. */
  send: HttpClient['send'];
  /** The bank's JWKS, over mutual TLS but without a token. */
  fetchJwks(): Promise<Answer>;
  /** POST of an event subscription of v4.0, whatever comes of it. */
  subscribe(data: object): Promise<Answer>;
  /** POST of a registration. @returns its id; fails the test when it is not created */
  create(version: Version, resource: Resource, data: object): Promise<string>;
  put(version: Version, resource: Resource, id: string, data: object): Promise<Answer>;
  remove(version: Version, resource: Resource, id: string): Promise<Answer>;
  /** What GET lists; by default event subscriptions, by v4.0. */
  list(version?: Version, resource?: Resource): Promise<Record<string, unknown>[]>;
  /** Leaves the TPP without registrations. */
  clear(): Promise<void>;
  /** POST /events. Fails the test when the answer is not 200. */
  poll(body?: object, request?: TppRequest & { readonly version?: Version }): Promise<Polled>;
  close(): void;
}

export type Resource = 'event-subscriptions' | 'callback-urls';

const ID_OF: Readonly<Record<Resource, string>> = {
  'event-subscriptions': 'EventSubscriptionId',
  'callback-urls': 'CallbackUrlId',
};

/** What of a TPP's registration with the bank differs; `signing` saves making a key. */
export interface TppOptions {
  readonly signing?: SigningKey;
  readonly registration?: Record<string, unknown>;
  /** False: known to the authorisation server alone. */
  readonly isRegistered?: boolean;
}

const softwareOf = (clientId: string) => ({
  organisationId: `org-of-${clientId}`,
  softwareStatementId: `software-of-${clientId}`,
});

/** Registers a TPP with the bank. */
export async function registerTpp(bank: Bank, clientId: string, signing: SigningKey, more: object = {}) {
  const registration = {
    ...softwareOf(clientId),
    jwks: { keys: [signing.jwk] },
    ...more,
  };
  const { status, body } = await bank.operate('PUT', `/operator/v1/tpps/${clientId}`, registration);
  assert.ok(status === 204 || status === 200 || status === 201, JSON.stringify(body));
}

/** Makes a TPP and registers it with the bank. */
export async function makeTpp(bank: Bank, clientId: string, options: TppOptions = {}): Promise<Tpp> {
  const signing = options.signing ?? makeSigningKey(`kid-of-${clientId}`);
  if (options.isRegistered !== false) await registerTpp(bank, clientId, signing, options.registration);
  const transport = bank.transportOf(clientId);
  const tls = { ca: bank.authority.certificatePem, cert: transport.certificatePem, key: transport.keyPem };
  const api = createHttpClient(bank.service.apiUrl, tls);
  const tokens = tokenSource(bank, clientId, tls);

  const { organisationId, softwareStatementId } = softwareOf(clientId);

  const party: Tpp = {
    ...{ clientId, organisationId, softwareStatementId, transport, tls, signing, token: tokens.token, send: api.send },
    header: (changes = {}) => {
      const header = {
        alg: 'PS256',
        kid: signing.kid,
        [HEADER_IAT]: Math.floor(bank.clock.nowMs() / 1000),
        [HEADER_ISS]: `${organisationId}/${softwareStatementId}`,
        [HEADER_TAN]: TRUST_ANCHOR,
        crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
      };
      return JSON.parse(JSON.stringify({ ...header, ...changes }));
    },
    sign: (body, header = party.header(), keyPem = signing.keyPem) => signDetached(header, body, keyPem),
    request: async (method, path, request = {}) => {
      const headers = await headersFor(party, method, path, request);
      const { body, signal, timeoutMs } = request;
      const answer = await api.send(path, { method, headers, body, signal, timeoutMs });
      checkAnswer(answer, { method, path, sent: headers, jwk: bank.signingKey.jwk });
      return answer;
    },
    call: (method, version, path, request) =>
      party.request(method, `${bank.prefix}/open-banking/${version}/${path}`, request),
    fetchJwks: () => api.send('/.well-known/jwks.json'),
    subscribe: (data) => party.call('POST', 'v4.0', 'event-subscriptions', { body: JSON.stringify({ Data: data }) }),
    create: async (version, resource, data) => {
      const answer = await party.call('POST', version, resource, { body: JSON.stringify({ Data: data }) });
      assert.equal(answer.status, 201, answer.body.toString());
      return JSON.parse(answer.body.toString()).Data[ID_OF[resource]];
    },
    put: (version, resource, id, data) => {
      const named = resource === 'event-subscriptions' ? { EventSubscriptionId: id, ...data } : data;
      return party.call('PUT', version, `${resource}/${id}`, { body: JSON.stringify({ Data: named }) });
    },
    remove: (version, resource, id) => party.call('DELETE', version, `${resource}/${id}`),
    list: async (version = 'v4.0', resource = 'event-subscriptions') => {
      const answer = await party.call('GET', version, resource);
      assert.equal(answer.status, 200, answer.body.toString());
      const { Data } = JSON.parse(answer.body.toString());
      return resource === 'event-subscriptions' ? Data.EventSubscription : Data.CallbackUrl;
    },
    clear: async () => {
      for (const resource of ['event-subscriptions', 'callback-urls'] as const) {
        const answer = await party.call('GET', 'v4.0', resource);
        if (answer.status === 404) continue;
        for (const found of await party.list('v4.0', resource)) {
          const removed = await party.remove('v4.0', resource, String(found[ID_OF[resource]]));
          assert.equal(removed.status, 204, JSON.stringify(errorOf(removed)));
        }
      }
    },
    poll: async (body = {}, { version = 'v4.0', ...request } = {}) => {
      const answer = await party.call('POST', version, 'events', { body: JSON.stringify(body), ...request });
      assert.equal(answer.status, 200, answer.body.toString());
      return JSON.parse(answer.body.toString());
    },
    close: () => {
      api.close();
      tokens.close();
    },
  };
  return party;
}

async function headersFor(party: Tpp, method: string, path: string, request: TppRequest) {
  const { body } = request;
  const token = request.token === undefined ? await party.token(request.scope) : request.token;
  const hasBody = method === 'POST' || method === 'PUT';
  const isSigned = hasBody && !isOfPolls(path);
  const ownSignature = isSigned ? party.sign(body ?? '', party.header(request.joseHeader)) : null;
  const signature = request.signature === undefined ? ownSignature : request.signature;
  return {
    ...(token !== null && { authorization: `Bearer ${token}` }),
    ...(hasBody && { 'content-type': 'application/json' }),
    ...(signature !== null && { 'x-jws-signature': signature }),
    ...request.headers,
  };
}

/** The same token until it would expire, one for each scope. */
function tokenSource(bank: Bank, clientId: string, tls: { ca: string; cert: string; key: string }) {
  const server = createHttpClient(bank.tokenIssuer, tls);
  const tokens = new Map<string, Promise<string>>();
  const request = async (scope: string): Promise<string> => {
    const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, scope }).toString();
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const answer = await server.send('/token', { method: 'POST', headers, body });
    assert.equal(answer.status, 200, answer.body.toString());
    return JSON.parse(answer.body.toString()).access_token;
  };
  return {
    token: (scope = 'accounts') => {
      const token = tokens.get(scope) ?? request(scope);
      tokens.set(scope, token);
      return token;
    },
    close: () => server.close(),
  };
}
