import assert from 'node:assert/strict';
import {
  type Answer,
  type Authority,
  type ClientTls,
  createHttpClient,
  type Exchange,
  type HttpClient,
  type Identity,
  isSignedWith,
  makeSigningKey,
  type SigningKey,
  signDetached,
} from '@tidings/testing';
import { checkAgainstOfficial } from './official.ts';

export const HEADER_IAT = 'http://openbanking.org.uk/iat';
export const HEADER_ISS = 'http://openbanking.org.uk/iss';
export const HEADER_TAN = 'http://openbanking.org.uk/tan';

export const SUBSCRIPTIONS = '/open-banking/v4.0/event-subscriptions';
export const CALLBACK_URL = 'https://tpp.example/open-banking/v4.0/event-notifications';

/** What a TPP needs of its bank. */
export interface BankOfTpp {
  readonly authority: Authority;
  readonly signingKey: SigningKey;
  readonly accessTokens: {
    readonly issuer: string;
    readonly tokenEndpoint: string;
    readonly audience: string;
    /** Signs the authorisation server's tokens. */
    readonly key: SigningKey;
  };
  readonly apiUrl: string;
  readonly clock: { nowMs(): number };
  /** Calls the operator API as the bank does. @returns the parsed body */
  operate(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
}

/** A request of a TPP; what is not said is as it should be. */
export interface TppRequest extends Exchange {
  /** Null: no Authorization header. */
  readonly token?: string | null;
  /** Null: none; an array: several headers. */
  readonly signature?: string | string[] | null;
}

/** One TPP: certificate, token, signing key, and a client of the bank's API that checks what holds for every answer. */
export interface Tpp {
  readonly clientId: string;
  readonly organisationId: string;
  readonly softwareStatementId: string;
  readonly transport: Identity;
  readonly tls: ClientTls;
  readonly signing: SigningKey;
  /** A token of the authorisation server, over mutual TLS; the same one until it would expire. */
  token(scope?: string): Promise<string>;
  /** The JOSE header that the standard asks for, with members replaced; undefined takes a member out. */
  header(changes?: Record<string, unknown>): Record<string, unknown>;
  sign(body: string | Uint8Array, header?: Record<string, unknown>, keyPem?: string): string;
  /** Sends a request with token, JSON and signature, and checks what must hold for every answer. */
  call(method: string, path: string, request?: TppRequest): Promise<Answer>;
  /** The bank's JWKS, over mutual TLS but without a token. */
  fetchJwks(): Promise<Answer>;
  /** POST of a subscription. */
  create(data: object): Promise<Answer>;
  /** What GET lists. */
  list(): Promise<Record<string, unknown>[]>;
  /** Leaves the TPP without a subscription. */
  clear(): Promise<void>;
  close(): void;
}

/** Makes a TPP and registers it with the service, unless its name starts with `unregistered`. */
export async function makeTpp(bank: BankOfTpp, clientId: string): Promise<Tpp> {
  const organisationId = `org-of-${clientId}`;
  const softwareStatementId = `software-of-${clientId}`;
  const transport = await bank.authority.issue({ name: clientId });
  const signing = makeSigningKey(`kid-of-${clientId}`);
  if (!clientId.startsWith('unregistered')) {
    const registration = { organisationId, softwareStatementId, jwks: { keys: [signing.jwk] } };
    const { status, body } = await bank.operate('PUT', `/operator/v1/tpps/${clientId}`, registration);
    assert.equal(status, 204, JSON.stringify(body));
  }
  const tls = { ca: bank.authority.certificatePem, cert: transport.certificatePem, key: transport.keyPem };
  const api = createHttpClient(bank.apiUrl, tls);
  const authorisationServer = createHttpClient(bank.accessTokens.issuer, tls);
  const tokens = new Map<string, Promise<string>>();

  const tpp: Tpp = {
    ...{ clientId, organisationId, softwareStatementId, transport, tls, signing },
    token: (scope = 'accounts') => {
      const token = tokens.get(scope) ?? requestToken(authorisationServer, clientId, scope);
      tokens.set(scope, token);
      return token;
    },
    header: (changes = {}) => {
      const header = {
        alg: 'PS256',
        kid: signing.kid,
        [HEADER_IAT]: Math.floor(bank.clock.nowMs() / 1000),
        [HEADER_ISS]: `${organisationId}/${softwareStatementId}`,
        [HEADER_TAN]: 'openbanking.org.uk',
        crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
      };
      return JSON.parse(JSON.stringify({ ...header, ...changes }));
    },
    sign: (body, header = tpp.header(), keyPem = signing.keyPem) => {
      return signDetached(header, body, keyPem);
    },
    call: async (method, path, request = {}) => {
      const headers = await headersFor(tpp, method, request);
      const answer = await api.send(path, { method, headers, body: request.body });
      checkEveryAnswer(answer, headers, bank, path);
      checkAgainstOfficial(method, path, answer.status, answer.body);
      return answer;
    },
    fetchJwks: () => api.send('/.well-known/jwks.json'),
    create: (data) => tpp.call('POST', SUBSCRIPTIONS, { body: JSON.stringify({ Data: data }) }),
    list: async () => {
      const answer = await tpp.call('GET', SUBSCRIPTIONS);
      assert.equal(answer.status, 200);
      return JSON.parse(answer.body.toString()).Data.EventSubscription;
    },
    clear: async () => {
      for (const { EventSubscriptionId: id } of await tpp.list()) {
        assert.equal((await tpp.call('DELETE', `${SUBSCRIPTIONS}/${id}`)).status, 204);
      }
    },
    close: () => {
      api.close();
      authorisationServer.close();
    },
  };
  return tpp;
}

async function headersFor(tpp: Tpp, method: string, request: TppRequest) {
  const { token = await tpp.token(), body } = request;
  const isSigned = method === 'POST' || method === 'PUT';
  const signature = request.signature === undefined && isSigned ? tpp.sign(body ?? '') : request.signature;
  return {
    ...(token !== null && { authorization: `Bearer ${token}` }),
    ...(isSigned && { 'content-type': 'application/json' }),
    ...(signature !== undefined && signature !== null && { 'x-jws-signature': signature }),
    ...request.headers,
  };
}

async function requestToken(server: HttpClient, clientId: string, scope: string): Promise<string> {
  const body = new URLSearchParams({ grant_type: 'client_credentials', client_id: clientId, scope }).toString();
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const answer = await server.send('/token', { method: 'POST', headers, body });
  assert.equal(answer.status, 200, answer.body.toString());
  return JSON.parse(answer.body.toString()).access_token;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const INTERNALS =
  /node_modules|node:|\.ts\b|FST_|ERR_|sqlite|SELECT |INSERT |UPDATE |\bat .+:\d+:\d+|stack|tidings-test-bank/i;
const WITH_BODY = new Set([200, 201, 400, 409, 500]);

/** What section 7 of the rules says of every answer, whatever came before. */
export function checkEveryAnswer(
  answer: Answer,
  sent: Record<string, unknown>,
  bank: BankOfTpp,
  path: string = SUBSCRIPTIONS,
): void {
  const { status, headers, headersDistinct, body } = answer;
  const text = body.toString();
  const said = `${status}: ${text}`;
  const ids = headersDistinct['x-fapi-interaction-id'] ?? [];
  assert.equal(ids.length, 1, `one x-fapi-interaction-id in ${said}`);
  assert.match(ids[0] ?? '', UUID);
  const sentId = sent['x-fapi-interaction-id'];
  assert.equal(ids[0] === sentId, typeof sentId === 'string' && UUID.test(sentId), 'echoed only when it is a UUID');
  assert.equal(headers['cache-control'], 'no-store', said);
  assert.equal(headers['x-powered-by'] ?? headers['server'], undefined);
  assert.doesNotMatch(text, INTERNALS);
  if (!WITH_BODY.has(status)) assert.equal(text, '', said);
  // Answers to polls are not signed: each SET in them is.
  const isSigned = (status === 200 || status === 201) && !path.endsWith('/events');
  if (isSigned) checkSigned(answer, bank);
  else assert.equal(headers['x-jws-signature'], undefined, said);
  if (WITH_BODY.has(status)) assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  if (status >= 400 && text !== '') checkErrorBody(text, ids[0] ?? '', path.includes('/open-banking/v3.1'));
}

function checkSigned({ headers, body }: Answer, bank: BankOfTpp): void {
  const signature = String(headers['x-jws-signature']);
  assert.ok(isSignedWith(signature, bank.signingKey.jwk, body), 'the signature of the answer verifies');
}

/** OBErrorResponse1 in the form of the version that was called. */
function checkErrorBody(text: string, id: string, isV31: boolean): void {
  const { Id, Errors, Code, Message: brief, ...more } = JSON.parse(text);
  assert.deepEqual(more, {});
  assert.equal(Id, id);
  for (const each of [Code, brief]) assert.equal(typeof each, isV31 ? 'string' : 'undefined', text);
  assert.ok(Array.isArray(Errors) && Errors.length >= 1, text);
  for (const { ErrorCode, Message, Path, Url, ...others } of Errors) {
    assert.deepEqual(others, {});
    assert.match(ErrorCode, isV31 ? /^UK\.OBIE\.[A-Za-z.]+$/ : /^U\d{3}$/);
    for (const each of [Message, Path, Url]) assert.ok(each === undefined || /^.{1,500}$/su.test(each), text);
  }
}

/** The one error of a refusal: code, and where it is. */
export function errorOf(answer: Answer): { status: number; code?: string; path?: string; url?: string } {
  if (answer.body.length === 0) return { status: answer.status };
  const { ErrorCode: code, Path: path, Url: url } = JSON.parse(answer.body.toString()).Errors[0];
  return { status: answer.status, code, ...(path && { path }), ...(url && { url }) };
}
