import { API_VERSIONS, ApiError, type ApiVersion, type RegistrationRules, textFault } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { AuditOf, ChangeResult, Store, Tpp } from '../store/store.ts';
import { differenceOf } from './audited-difference.ts';

/** A registration of a TPP, of either kind. */
export interface KeptRegistration<Request> {
  readonly id: string;
  readonly clientId: string;
  /** The version of the API that it was created or last replaced through. */
  readonly apiVersion: ApiVersion;
  /** The request of the TPP. */
  readonly request: Request;
}

/** The differences between event subscriptions and callback URLs. */
export interface RegistrationKind<Request> {
  /** Last segment of its URL. */
  readonly path: string;
  /** How the standard calls its id. */
  readonly idName: string;
  /** How messages call it. */
  readonly noun: string;
  /** Where its callback URL stands in a body. */
  readonly callbackUrlField: string;
  /** Its callback URL; undefined: it only polls. */
  callbackUrlOf(request: Request): string | undefined;
  /** Reads the body of POST. @throws {ApiError} */
  read(body: Uint8Array, rules: RegistrationRules): Request;
  /** Reads the body of PUT. @throws {ApiError} */
  readReplaced(body: Uint8Array, id: string, rules: RegistrationRules): Request;
  /** Writes the body that answers POST and PUT. */
  write(registration: KeptRegistration<Request>, self: string): object;
  /** Writes the body that answers GET. */
  writeList(registrations: readonly KeptRegistration<Request>[], self: string): object;
  create(store: Store, registration: KeptRegistration<Request>, change: AuditedChange): Promise<'created' | 'exists'>;
  find(store: Store, clientId: string): Promise<KeptRegistration<Request> | undefined>;
  replace(store: Store, registration: KeptRegistration<Request>, change: AuditedChange): Promise<ChangeResult>;
  remove(store: Store, of: ToRemove, change: AuditedChange): Promise<ChangeResult>;
}

/** When a registration is changed, and how the audit tells of it. */
export interface AuditedChange {
  readonly nowMs: number;
  readonly audit: AuditOf<object>;
}

/** Which registration is to be deleted, and through which version of the API. */
export interface ToRemove {
  readonly clientId: string;
  readonly id: string;
  readonly through: ApiVersion;
}

type ChangeName = 'created' | 'replaced' | 'deleted';

/** @returns false when the host of a callback URL leads to where none may, or cannot be looked up */
export type CheckCallbackUrl = (url: string) => Promise<string | undefined>;

/** Dependencies of the operations on registrations. */
export interface RegistrationContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: RegistrationRules;
  readonly checkCallbackUrl: CheckCallbackUrl;
  /** Absolute URL of the resource under the version that was called. */
  readonly url: string;
  /** Counts a change that is about to be made. @throws {ApiError} RateLimited */
  readonly countChange: (clientId: string) => void;
  /** A change may have made notifications due, or have taken the right to poll. */
  readonly onChanged: (clientId: string) => void;
  /** Address that the call came from: that of the gateway where there is one. */
  readonly from: string;
  readonly interactionId: string;
}

/** A body to be sent signed. */
export interface Answer {
  readonly status: 200 | 201;
  readonly body: object;
}

/** POST: at most one per TPP, whatever version of the API it was made through. @throws {ApiError} */
export async function createRegistration<Request>(
  kind: RegistrationKind<Request>,
  tpp: Tpp,
  body: Uint8Array,
  context: RegistrationContext,
): Promise<Answer> {
  const request = kind.read(body, context.rules);
  await checkAddress(kind, request, context);
  const registration = keptOf(context.random.uuid(), tpp, request, context);
  context.countChange(tpp.clientId);
  const result = await kind.create(context.store, registration, auditedChange('created', kind, registration, context));
  if (result === 'exists') {
    throw new ApiError('RulesResourceAlreadyExists', {
      message: `The ${kind.noun} exists already; change it with PUT, or delete it first.`,
    });
  }
  context.onChanged(tpp.clientId);
  return { status: 201, body: kind.write(registration, selfOf(registration, context)) };
}

/** GET: a list of zero or one. A registration of a newer version is not shown (rules, section 2). */
export async function getRegistrations<Request>(
  kind: RegistrationKind<Request>,
  tpp: Tpp,
  context: RegistrationContext,
): Promise<Answer> {
  const registration = await kind.find(context.store, tpp.clientId);
  const isShown = registration !== undefined && isReadableThrough(context.rules.apiVersion, registration.apiVersion);
  return { status: 200, body: kind.writeList(isShown ? [registration] : [], context.url) };
}

/** PUT: what is awaiting goes to the new callback URL. Through v4.0 it makes it one of v4.0. @throws {ApiError} */
export async function replaceRegistration<Request>(
  kind: RegistrationKind<Request>,
  tpp: Tpp,
  change: { readonly id: string; readonly body: Uint8Array },
  context: RegistrationContext,
): Promise<Answer> {
  const request = kind.readReplaced(change.body, change.id, context.rules);
  await checkAddress(kind, request, context);
  const registration = keptOf(change.id, tpp, request, context);
  context.countChange(tpp.clientId);
  const audited = auditedChange('replaced', kind, registration, context);
  const result = isPossibleId(change.id) ? await kind.replace(context.store, registration, audited) : 'unknown';
  checkChanged(kind, result);
  context.onChanged(tpp.clientId);
  return { status: 200, body: kind.write(registration, selfOf(registration, context)) };
}

/** DELETE: what is awaiting is withdrawn, unless another registration of the TPP holds. @throws {ApiError} */
export async function deleteRegistration<Request>(
  kind: RegistrationKind<Request>,
  tpp: Tpp,
  id: string,
  context: RegistrationContext,
): Promise<void> {
  const of = { clientId: tpp.clientId, id, through: context.rules.apiVersion };
  context.countChange(tpp.clientId);
  const audited = auditedChange('deleted', kind, of, context);
  checkChanged(kind, isPossibleId(id) ? await kind.remove(context.store, of, audited) : 'unknown');
  context.onChanged(tpp.clientId);
}

/** A database that cannot hold a text cannot be asked for it either. */
function isPossibleId(id: string): boolean {
  return textFault(id) === undefined;
}

/** The entry is kept with the change, in one transaction. */
function auditedChange<Request>(
  what: ChangeName,
  { noun, path }: RegistrationKind<Request>,
  of: { readonly id: string; readonly clientId: string; readonly apiVersion?: ApiVersion; readonly request?: Request },
  { clock, from, interactionId }: RegistrationContext,
): AuditedChange {
  const { id, clientId, apiVersion, request } = of;
  const nowMs = clock.nowMs();
  const by = { actor: `tpp:${clientId}`, authenticatedBy: 'access-token', from } as const;
  const entry = { ...by, atMs: nowMs, action: `${path.replace(/s$/, '')}-${what}`, subject: clientId };
  return {
    nowMs,
    audit: (before) => {
      const difference = differenceOf(before, request && { apiVersion, ...request });
      return difference && { ...entry, detail: { what: noun, id, interactionId }, ...difference };
    },
  };
}

/** The address of the host is not disclosed: a TPP must not learn of the bank's networks by trying. */
async function checkAddress<Request>(
  { callbackUrlOf, callbackUrlField }: RegistrationKind<Request>,
  request: Request,
  { checkCallbackUrl }: RegistrationContext,
): Promise<void> {
  const url = callbackUrlOf(request);
  const why = url === undefined ? undefined : await checkCallbackUrl(url);
  if (why === undefined) return;
  throw new ApiError('FieldInvalid', { message: `${callbackUrlField} ${why}.`, path: callbackUrlField });
}

function checkChanged({ noun, idName }: { noun: string; idName: string }, result: ChangeResult): void {
  switch (result) {
    case 'changed':
      return;
    case 'of-another-tpp':
      throw new ApiError('Forbidden', { message: 'the id is another TPP’s' });
    case 'of-newer-version':
      throw new ApiError('Forbidden', { message: 'the registration was made through a newer version' });
    case 'unknown':
      throw new ApiError('ResourceNotFound', { message: `There is no ${noun} with this id.`, path: idName });
  }
}

function isReadableThrough(called: ApiVersion, madeThrough: ApiVersion): boolean {
  return API_VERSIONS.indexOf(madeThrough) <= API_VERSIONS.indexOf(called);
}

function keptOf<Request>(id: string, tpp: Tpp, request: Request, context: RegistrationContext) {
  return { id, clientId: tpp.clientId, apiVersion: context.rules.apiVersion, request };
}

function selfOf({ id }: { id: string }, { url }: RegistrationContext): string {
  return `${url}/${encodeURIComponent(id)}`;
}
