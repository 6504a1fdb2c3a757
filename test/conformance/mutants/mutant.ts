import {
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  type SigningKey,
  signCompact,
  signDetached,
  TRUST_ANCHOR,
} from '@tidings/testing';
import { type Answering, headerOf, type ProxiedAnswer, type ProxiedRequest, withHeaders } from '../proxies.ts';

/** The keys with which a mutant makes whole again what it has changed. */
export interface MutantKeys {
  readonly bank: SigningKey;
  /** By client_id. */
  readonly clients: Readonly<Record<string, SigningKey>>;
  readonly organisationId: string;
}

/** What a mutant puts between the runner and the bank. Each run makes it anew, so that it may keep things. */
export interface Fault {
  /** In front of the API. */
  readonly api?: Answering;
  /** In front of the receiver of the runner. */
  readonly delivery?: Answering;
  /** In front of the receiver whose certificate is not to be trusted. */
  readonly untrusted?: Answering;
}

/** A bank that breaks one rule. */
export interface Mutant {
  /** Short and unique: `answers-200-to-post`. */
  readonly name: string;
  /** The id of the check that has to fail. */
  readonly caughtBy: string;
  readonly fault: (keys: MutantKeys) => Fault;
}

/** Makes a mutant. */
export function mutant(name: string, caughtBy: string, fault: Mutant['fault']): Mutant {
  return { name, caughtBy, fault };
}

/** A mutant that changes answers of the API. */
export function changesAnswer(
  name: string,
  caughtBy: string,
  change: (answer: ProxiedAnswer, request: ProxiedRequest, keys: MutantKeys) => ProxiedAnswer,
): Mutant {
  return mutant(name, caughtBy, (keys) => ({
    api: async (request, forward) => {
      const answer = await forward(request);
      return answer && change(answer, request, keys);
    },
  }));
}

/** A mutant that changes requests to the API before the bank has them. */
export function changesRequest(
  name: string,
  caughtBy: string,
  change: (request: ProxiedRequest, keys: MutantKeys) => ProxiedRequest,
): Mutant {
  return mutant(name, caughtBy, (keys) => ({ api: (request, forward) => forward(change(request, keys)) }));
}

/** The JSON of a body; an empty object where it is none. */
export function jsonOf({ body }: { readonly body: Buffer }): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body.toString());
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

/** The JOSE header of the bank, with members that differ. */
export function bankHeader(
  { bank, organisationId }: MutantKeys,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  return joseHeader(bank.kid, organisationId, changes);
}

function joseHeader(kid: string, iss: string, changes: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const header = {
    ...{
      alg: 'PS256',
      kid,
      [HEADER_IAT]: Math.floor(Date.now() / 1000),
      [HEADER_ISS]: iss,
      [HEADER_TAN]: TRUST_ANCHOR,
    },
    crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
    ...changes,
  };
  return JSON.parse(JSON.stringify(header));
}

/** An answer with another body, signed by the bank. */
export function resigned(answer: ProxiedAnswer, value: unknown, keys: MutantKeys): ProxiedAnswer {
  const body = Buffer.from(JSON.stringify(value));
  const signature = signDetached(bankHeader(keys), body, keys.bank.keyPem);
  const isSigned = headerOf(answer, 'x-jws-signature') !== undefined;
  return { ...answer, body, headers: withHeaders(answer.headers, isSigned ? { 'x-jws-signature': signature } : {}) };
}

/** A request with another body, well signed by the client that sends it. */
export function signedByClient(request: ProxiedRequest, body: Buffer, { clients }: MutantKeys): ProxiedRequest {
  const clientId = clientIdOf(request);
  const key = clients[clientId];
  if (key === undefined) return request;
  const header = joseHeader(key.kid, `org-of-${clientId}/software-of-${clientId}`, {});
  const signature = signDetached(header, body, key.keyPem);
  return { ...request, body, headers: withHeaders(request.headers, { 'x-jws-signature': signature }) };
}

/** The client_id of the token of a request; empty where there is none. */
export function clientIdOf(request: ProxiedRequest): string {
  const [, payload = ''] = headerOf(request, 'authorization')?.split('.') ?? [];
  const { client_id: clientId } = jsonOf({ body: Buffer.from(payload, 'base64url') });
  return typeof clientId === 'string' ? clientId : '';
}

/** The path after the version, such as `event-subscriptions/id`. */
export function resourceOf({ path }: Pick<ProxiedRequest, 'path'>): string {
  return /\/open-banking\/v\d\.\d\/(.*)$/.exec(path)?.[1] ?? '';
}

/** Whether a request is a poll. */
export function isPoll(request: ProxiedRequest): boolean {
  return request.method === 'POST' && resourceOf(request) === 'events';
}

/** Whether a request is for registrations. */
export function isRegistration(request: Pick<ProxiedRequest, 'path'>): boolean {
  return /^(event-subscriptions|callback-urls)/.test(resourceOf(request));
}

/** Claims with changes, signed by the bank; undefined takes a claim out. */
export function forgedSet(
  token: string,
  keys: MutantKeys,
  changes: { readonly claims?: Readonly<Record<string, unknown>>; readonly header?: Readonly<Record<string, unknown>> },
): string {
  const [, payload = ''] = token.split('.');
  const claims = JSON.stringify({ ...jsonOf({ body: Buffer.from(payload, 'base64url') }), ...changes.claims });
  return signCompact(bankHeader(keys, changes.header), claims, keys.bank.keyPem);
}

/** The claims of a SET. */
export function claimsIn(token: string): Record<string, unknown> {
  return jsonOf({ body: Buffer.from(token.split('.')[1] ?? '', 'base64url') });
}

/** Answers with another status where one was given. */
export function status(
  name: string,
  caughtBy: string,
  from: number,
  to: number,
  where: (request: ProxiedRequest) => boolean = () => true,
): Mutant {
  return changesAnswer(name, caughtBy, (answer, request) =>
    answer.status === from && where(request) ? { ...answer, status: to } : answer,
  );
}

/** Changes the error codes of answers. */
export function code(name: string, caughtBy: string, from: string, to: string): Mutant {
  return changesAnswer(name, caughtBy, (answer) =>
    answer.status < 400
      ? answer
      : { ...answer, body: Buffer.from(answer.body.toString().replaceAll(`"${from}"`, `"${to}"`)) },
  );
}

/** Changes the Data of signed answers, in lists too. */
export function data(
  name: string,
  caughtBy: string,
  change: (data: Record<string, unknown>) => Record<string, unknown>,
): Mutant {
  return changesAnswer(name, caughtBy, (answer, _request, keys) => {
    if (answer.status >= 300 || answer.body.length === 0 || headerOf(answer, 'x-jws-signature') === undefined)
      return answer;
    const body = jsonOf(answer);
    const inner = { ...(body['Data'] as Record<string, unknown>) };
    const list = inner['EventSubscription'];
    const changed = Array.isArray(list) ? { EventSubscription: list.map(change) } : change(inner);
    return resigned(answer, { ...body, Data: changed }, keys);
  });
}

/** Mends the Data of a request, so that the bank takes what it must refuse. */
export function takes(
  name: string,
  caughtBy: string,
  mend: (data: Record<string, unknown>) => Record<string, unknown>,
): Mutant {
  return changesRequest(name, caughtBy, (request, keys) => {
    const { Data } = jsonOf(request);
    if (request.method !== 'POST' || !isRegistration(request) || typeof Data !== 'object') return request;
    return signedByClient(request, Buffer.from(JSON.stringify({ Data: mend({ ...Data }) })), keys);
  });
}
