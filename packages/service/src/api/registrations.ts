import { API_VERSIONS, ApiError, type ApiVersion, type RegistrationRules, textFault } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { AuditOf } from '../model/audit.ts';
import type { ChangeResult, Registration, RegistrationKind, RegistrationToStore } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';
import type { Store } from '../store/store.ts';
import { differenceOf } from './audited-difference.ts';

/** The request of a TPP for a registration. */
export type RegistrationRequest = Pick<Registration, 'callbackUrl' | 'version' | 'eventTypes'>;

/** The differences between event subscriptions and callback URLs. */
export interface RegistrationResource {
  readonly kind: RegistrationKind;
  /** Last segment of its URL. */
  readonly path: string;
  /** The standard's name of its id. */
  readonly idName: string;
  /** Its name in messages. */
  readonly noun: string;
  /** Where its callback URL stands in a body. */
  readonly callbackUrlField: string;
  /** Reads the body of POST. @throws {ApiError} */
  read(body: Uint8Array, rules: RegistrationRules): RegistrationRequest;
  /** Reads the body of PUT. @throws {ApiError} */
  readReplaced(body: Uint8Array, id: string, rules: RegistrationRules): RegistrationRequest;
  /** Writes the body that answers POST and PUT. */
  write(registration: RegistrationToStore, self: string): object;
  /** Writes the body that answers GET. */
  writeList(registrations: readonly RegistrationToStore[], self: string): object;
  /** Its members, by their names in the audit. */
  factsOf(request: RegistrationRequest): object;
}

/** When a registration is changed, and its entry in the audit. */
interface AuditedChange {
  readonly nowMs: number;
  readonly audit: AuditOf<Registration>;
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
export async function createRegistration(
  resource: RegistrationResource,
  tpp: Tpp,
  body: Uint8Array,
  context: RegistrationContext,
): Promise<Answer> {
  const request = resource.read(body, context.rules);
  await checkAddress(resource, request, context);
  const id = context.random.uuid();
  const registration = { ...request, ...madeThrough(resource, tpp, context), id };
  context.countChange(tpp.clientId);
  const { nowMs, audit } = auditedChange('created', resource, registration, context);
  const result = await context.store.createRegistration(registration, nowMs, audit);
  if (result === 'exists') {
    throw new ApiError('RulesResourceAlreadyExists', {
      message: `The ${resource.noun} exists already; change it with PUT, or delete it first.`,
    });
  }
  context.onChanged(tpp.clientId);
  return { status: 201, body: resource.write(registration, selfOf(registration, context)) };
}

/** GET: a list of zero or one. A registration of a newer version is not shown (rules, section 2). */
export async function getRegistrations(
  resource: RegistrationResource,
  tpp: Tpp,
  context: RegistrationContext,
): Promise<Answer> {
  const registrations = await context.store.registrationsOf(tpp.clientId);
  const registration = registrations.find(({ kind }) => kind === resource.kind);
  const isShown = registration !== undefined && isReadableThrough(context.rules.apiVersion, registration.apiVersion);
  return { status: 200, body: resource.writeList(isShown ? [registration] : [], context.url) };
}

/** PUT: what is awaiting goes to the new callback URL. Through v4.0 it makes it one of v4.0. @throws {ApiError} */
export async function replaceRegistration(
  resource: RegistrationResource,
  tpp: Tpp,
  change: { readonly id: string; readonly body: Uint8Array },
  context: RegistrationContext,
): Promise<Answer> {
  const request = resource.readReplaced(change.body, change.id, context.rules);
  await checkAddress(resource, request, context);
  const registration = { ...request, ...madeThrough(resource, tpp, context), id: change.id };
  context.countChange(tpp.clientId);
  const { nowMs, audit } = auditedChange('replaced', resource, registration, context);
  const { store } = context;
  checkChanged(
    resource,
    isPossibleId(change.id) ? await store.replaceRegistration(registration, nowMs, audit) : 'unknown',
  );
  context.onChanged(tpp.clientId);
  return { status: 200, body: resource.write(registration, selfOf(registration, context)) };
}

/** DELETE: what is awaiting is withdrawn, unless another registration of the TPP holds. @throws {ApiError} */
export async function deleteRegistration(
  resource: RegistrationResource,
  tpp: Tpp,
  id: string,
  context: RegistrationContext,
): Promise<void> {
  const registration = { kind: resource.kind, clientId: tpp.clientId, id, through: context.rules.apiVersion };
  context.countChange(tpp.clientId);
  const { nowMs, audit } = auditedChange('deleted', resource, registration, context);
  const { store } = context;
  checkChanged(resource, isPossibleId(id) ? await store.deleteRegistration(registration, nowMs, audit) : 'unknown');
  context.onChanged(tpp.clientId);
}

/** A database that cannot hold a text cannot be asked for it either. */
function isPossibleId(id: string): boolean {
  return textFault(id) === undefined;
}

/** The entry is kept with the change, in one transaction. */
function auditedChange(
  what: ChangeName,
  { noun, path, factsOf }: RegistrationResource,
  of: RegistrationToStore | (Pick<Registration, 'clientId' | 'id'> & { readonly apiVersion?: undefined }),
  { clock, from, interactionId }: RegistrationContext,
): AuditedChange {
  const { id, clientId } = of;
  const after = of.apiVersion === undefined ? undefined : { apiVersion: of.apiVersion, ...factsOf(of) };
  const nowMs = clock.nowMs();
  const by = { actor: `tpp:${clientId}`, authenticatedBy: 'access-token', from } as const;
  const entry = { ...by, atMs: nowMs, action: `${path.replace(/s$/, '')}-${what}`, subject: clientId };
  return {
    nowMs,
    audit: (before) => {
      const { apiVersion, unresponsiveSinceMs } = before ?? {};
      const difference = differenceOf(before && { apiVersion, ...factsOf(before), unresponsiveSinceMs }, after);
      return difference && { ...entry, detail: { what: noun, id, interactionId }, ...difference };
    },
  };
}

/** The address of the host is not disclosed: a TPP must not learn of the bank's networks by trying. */
async function checkAddress(
  { callbackUrlField }: RegistrationResource,
  { callbackUrl }: RegistrationRequest,
  { checkCallbackUrl }: RegistrationContext,
): Promise<void> {
  const why = callbackUrl === undefined ? undefined : await checkCallbackUrl(callbackUrl);
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

function madeThrough({ kind }: RegistrationResource, { clientId }: Tpp, { rules }: RegistrationContext) {
  return { kind, clientId, apiVersion: rules.apiVersion };
}

function selfOf({ id }: { id: string }, { url }: RegistrationContext): string {
  return `${url}/${encodeURIComponent(id)}`;
}
