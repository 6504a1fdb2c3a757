import assert from 'node:assert/strict';
import {
  type Answer,
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
import { checkAnswer, errorOf, type Version } from './tpp-answers.ts';
import type { Bank } from './tpp-bank.ts';

/** A request of a TPP; what is not said is as it should be. */
export interface PartyRequest extends Exchange {
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
export interface Party {
  readonly clientId: string;
  readonly transport: Identity;
  readonly signing: SigningKey;
  /** A token of the authorisation server, over mutual TLS. */
  token(scope?: string): Promise<string>;
  sign(body: string | Uint8Array, changes?: Record<string, unknown>): string;
  /** Sends a request with token, JSON and signature to a path below `/open-banking/{version}`, and checks the answer. */
  call(method: string, version: Version, path: string, request?: PartyRequest): Promise<Answer>;
  /** Sends one as it is, over the same connections. */
  send: HttpClient['send'];
  /** POST of a registration. @returns its id; fails the test when it is not created */
  create(version: Version, resource: Resource, data: object): Promise<string>;
  put(version: Version, resource: Resource, id: string, data: object): Promise<Answer>;
  remove(version: Version, resource: Resource, id: string): Promise<Answer>;
  /** What GET lists. */
  list(version: Version, resource: Resource): Promise<Record<string, unknown>[]>;
  /** Leaves the TPP without registrations. */
  clear(): Promise<void>;
  /** POST /events. Fails the test when the answer is not 200. */
  poll(body?: object, request?: PartyRequest & { readonly version?: Version }): Promise<Polled>;
  close(): void;
}

export type Resource = 'event-subscriptions' | 'callback-urls';

const ID_OF: Readonly<Record<Resource, string>> = {
  'event-subscriptions': 'EventSubscriptionId',
  'callback-urls': 'CallbackUrlId',
};

/** What of a TPP's registration with the bank differs; `signing` saves making a key. */
export interface PartyOptions {
  readonly signing?: SigningKey;
  readonly registration?: Record<string, unknown>;
  /** False: known to the authorisation server alone. */
  readonly isRegistered?: boolean;
}

/** Registers a TPP with the bank. */
export async function registerParty(bank: Bank, clientId: string, signing: SigningKey, more: object = {}) {
  const registration = {
    organisationId: `org-of-${clientId}`,
    softwareStatementId: `software-of-${clientId}`,
    jwks: { keys: [signing.jwk] },
    ...more,
  };
  const { status, body } = await bank.operate('PUT', `/operator/v1/tpps/${clientId}`, registration);
  assert.ok(status === 204 || status === 200 || status === 201, JSON.stringify(body));
}

/** Makes a TPP and registers it with the bank. */
export async function makeParty(bank: Bank, clientId: string, options: PartyOptions = {}): Promise<Party> {
  const signing = options.signing ?? makeSigningKey(`kid-of-${clientId}`);
  if (options.isRegistered !== false) await registerParty(bank, clientId, signing, options.registration);
  const transport = bank.transportOf(clientId);
  const tls = { ca: bank.authority.certificatePem, cert: transport.certificatePem, key: transport.keyPem };
  const api = createHttpClient(bank.service.apiUrl, tls);
  const tokens = tokenSource(bank, clientId, tls);

  const party: Party = {
    ...{ clientId, transport, signing, token: tokens.token, send: api.send },
    sign: (body, changes = {}) => {
      const header = { ...joseHeaderOf(bank, clientId, signing.kid), ...changes };
      return signDetached(JSON.parse(JSON.stringify(header)), body, signing.keyPem);
    },
    call: async (method, version, path, request = {}) => {
      const headers = await headersFor(party, method, path, request);
      const target = `${bank.prefix}/open-banking/${version}/${path}`;
      const { body, signal, timeoutMs } = request;
      const answer = await api.send(target, { method, headers, body, signal, timeoutMs });
      checkAnswer(answer, { version, method, path, sent: headers, jwk: bank.signingKey.jwk });
      return answer;
    },
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
    list: async (version, resource) => {
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

function joseHeaderOf(bank: Bank, clientId: string, kid: string): Record<string, unknown> {
  return {
    alg: 'PS256',
    kid,
    [HEADER_IAT]: Math.floor(bank.clock.nowMs() / 1000),
    [HEADER_ISS]: `org-of-${clientId}/software-of-${clientId}`,
    [HEADER_TAN]: TRUST_ANCHOR,
    crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
  };
}

async function headersFor(party: Party, method: string, path: string, request: PartyRequest) {
  const { body } = request;
  const token = request.token === undefined ? await party.token(request.scope) : request.token;
  const hasBody = method === 'POST' || method === 'PUT';
  const isSigned = hasBody && path !== 'events';
  const ownSignature = isSigned ? party.sign(body ?? '', request.joseHeader) : null;
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
