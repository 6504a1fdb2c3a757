import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { API_VERSIONS, ApiError, type ApiVersion, type RegistrationRules, textFault } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { AuditOf } from '../model/audit.ts';
import type { ChangeResult, Registration, RegistrationToStore } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';
import type { Store } from '../store/store.ts';
import type { RegistrationRequest, RegistrationResource } from './registration-resources.ts';

/** Time and audit entry of a change to a registration. */
interface AuditedChange {
  readonly nowMs: number;
  readonly audit: AuditOf<Registration>;
}

type ChangeName = 'created' | 'replaced' | 'deleted';

/** Checks the address of a callback URL. @returns why it is not allowed; undefined if it is */
export type CheckCallbackUrl = (url: string) => Promise<string | undefined>;

/** Dependencies of the operations on registrations. */
export interface RegistrationContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: RegistrationRules;
  readonly checkCallbackUrl: CheckCallbackUrl;
  /** Absolute URL of the resource under the API version of the request. */
  readonly url: string;
  /** Counts a change before it is made. @throws {ApiError} RateLimited */
  readonly countChange: (clientId: string) => void;
  /** Called after a change, which may have made notifications due, or ended the right to poll. */
  readonly onChanged: (clientId: string) => void;
  /** Remote address of the request; that of the gateway if there is one. */
  readonly from: string;
  readonly interactionId: string;
}

/** A response whose body will be signed. */
export interface Answer {
  readonly status: 200 | 201;
  readonly body: object;
}

/** POST: at most one per TPP, across all API versions. @throws {ApiError} */
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

/** GET: a list of zero or one. A registration made through a newer API version is not visible (rules, section 2). */
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

/** PUT: awaiting notifications go to the new callback URL. PUT through v4.0 upgrades the registration to v4.0. @throws {ApiError} */
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

/** DELETE: awaiting notifications are withdrawn, unless the TPP has another registration. @throws {ApiError} */
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

/** A database cannot be queried for a text that it cannot hold. */
function isPossibleId(id: string): boolean {
  return textFault(id) === undefined;
}

/** The audit entry of a change; the store writes both in one transaction. */
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

/** The message never discloses the resolved address: a TPP must not be able to probe the bank's networks. */
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

type Facts = Readonly<Record<string, unknown>>;

/** The part of an audit entry that describes a change of a registration. */
export interface Difference {
  readonly before?: Facts;
  readonly after?: Facts;
}

/** Longest JSON value that an audit entry holds in full: a callback URL of 2,048 characters fits. */
const VALUE_CHARACTERS_MAX = 2100;
const ITEMS_SHOWN_MAX = 10;
const ITEM_CHARACTERS_MAX = 100;

/**
 * The difference that a change made to a registration, bounded in size: a TPP controls how often entries are written, and
 * how long its texts are.
 *
 * @param before undefined if it is created
 * @param after undefined if it is deleted
 * @returns undefined if nothing differs
 */
export function differenceOf(before: object | undefined, after: object | undefined): Difference | undefined {
  if (before === undefined || after === undefined) {
    return {
      ...(before !== undefined && { before: shownOf(before) }),
      ...(after !== undefined && { after: shownOf(after) }),
    };
  }
  // A replacement makes an unresponsive callback URL responsive again, even if nothing else changes.
  const [was, became]: [Facts, Facts] = [{ ...before }, { ...after, unresponsiveSinceMs: undefined }];
  const changed = Object.keys({ ...was, ...became }).filter((name) => !isDeepStrictEqual(was[name], became[name]));
  if (changed.length === 0) return undefined;
  const pick = (facts: Facts) => shownOf(Object.fromEntries(changed.map((name) => [name, facts[name]])));
  return { before: pick(was), after: pick(became) };
}

function shownOf(facts: object): Facts {
  const shown = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(shown.map(([name, value]) => [name, bounded(value)]));
}

/** The value, or if it is long, its beginning, size and hash. */
function bounded(value: unknown): unknown {
  const json = JSON.stringify(value);
  if (json.length <= VALUE_CHARACTERS_MAX) return value;
  const sha256 = createHash('sha256').update(json).digest('hex');
  if (!Array.isArray(value)) return { begins: json.slice(0, ITEM_CHARACTERS_MAX), characters: json.length, sha256 };
  const begins = value.slice(0, ITEMS_SHOWN_MAX).map((item) => String(item).slice(0, ITEM_CHARACTERS_MAX));
  return { begins, items: value.length, sha256 };
}
