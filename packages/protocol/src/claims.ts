import { type EventTypeRule, RESOURCE_UPDATE, standardEventType } from './event-types.ts';
import { SetError } from './set-errors.ts';
import { isJsonObject, parseStrictJson, StrictJsonError } from './strict-json.ts';
import { cutText, isLongerThan } from './text.ts';

const ID_CHARS_MAX = 128;
const URI_CHARS_MAX = 2048;
const VERSION_CHARS_MAX = 10;

/** Value of `subject_type`: the subject is identified by its id and its type. */
export const SUBJECT_TYPE = 'http://openbanking.org.uk/rid_http://openbanking.org.uk/rty';
/** Member of `subject`: id of the resource, at most 128 characters. */
export const RESOURCE_ID = 'http://openbanking.org.uk/rid';
/** Member of `subject`: type of the resource, such as `account-access-consent`; readers also accept the plural. */
export const RESOURCE_TYPE = 'http://openbanking.org.uk/rty';
/** Member of `subject`: links to all supported versions of the resource, at least one. */
export const RESOURCE_LINKS = 'http://openbanking.org.uk/rlk';

/** A link to the resource in one version of the API. Code must not rely on `version`. */
export interface ResourceLink {
  readonly version: string;
  readonly link: string;
}

/** `OBEventSubject1`: which resource the event is about. */
export interface EventSubject {
  readonly subject_type: typeof SUBJECT_TYPE;
  readonly [RESOURCE_ID]: string;
  readonly [RESOURCE_TYPE]: string;
  readonly [RESOURCE_LINKS]: readonly ResourceLink[];
}

/** Content of one member of `events`; unknown members are kept. */
export interface EventContent {
  readonly subject?: EventSubject;
  readonly reason?: string;
  readonly [member: string]: unknown;
}

/** The claims of an event notification (rules, section 3). A SET of the standard does not expire. */
export interface SetClaims {
  /** URI of the ASPSP. */
  readonly iss: string;
  /** When the notification was created, whole seconds since the epoch. */
  readonly iat: number;
  /** Identifies the notification across retries and both ways of delivery; at most 128 characters. */
  readonly jti: string;
  /** The client_id of the TPP. */
  readonly aud: string;
  /** URI of the resource. */
  readonly sub: string;
  /** The `x-fapi-interaction-id` of the call that caused the change, or the `jti`. */
  readonly txn: string;
  /** When the event occurred, whole seconds since the epoch. */
  readonly toe: number;
  /** Content by URN; at least one. */
  readonly events: Readonly<Record<string, EventContent>>;
  /**
   * Seconds since the epoch from which the SET must not be accepted (RFC 7519 section 4.1.4). Not of the standard:
   * present only where a sender has added it.
   */
  readonly exp?: number;
}

/** The resource that an event is about. */
export interface AffectedResource {
  readonly id: string;
  readonly type: string;
  readonly uri: string;
  /** Links to all supported versions of the resource; at least one. */
  readonly links: readonly ResourceLink[];
}

/** Input of {@link buildSetClaims}. Times are milliseconds since the epoch, rounded down to whole seconds. */
export interface ClaimsInput {
  readonly issuer: string;
  readonly jti: string;
  readonly clientId: string;
  readonly nowMs: number;
  readonly occurredAtMs: number;
  /** Defaults to the `jti`. */
  readonly transactionId: string | undefined;
  readonly resource: AffectedResource;
  /** The event types that pass the registration's filter, with their reasons; at least one. */
  readonly events: readonly { readonly type: EventTypeRule; readonly reason?: string | undefined }[];
}

/**
 * Builds the claims of one notification. The resource-update carries the `subject`. An event type whose subject is
 * optional carries it only when the token has no resource-update, for example because a filter removed it (rules,
 * section 3).
 */
export function buildSetClaims(input: ClaimsInput): SetClaims {
  const subject: EventSubject = {
    subject_type: SUBJECT_TYPE,
    [RESOURCE_ID]: input.resource.id,
    [RESOURCE_TYPE]: input.resource.type,
    [RESOURCE_LINKS]: input.resource.links.map(({ version, link }) => ({ version, link })),
  };
  const hasResourceUpdate = input.events.some(({ type }) => type.urn === RESOURCE_UPDATE);
  const events: Record<string, EventContent> = {};
  for (const { type, reason } of input.events) {
    const withSubject = type.subject === 'always' || !hasResourceUpdate;
    events[type.urn] = {
      ...(reason !== undefined && type.reasonAllowed && { reason }),
      ...(withSubject && { subject }),
    };
  }
  return {
    iss: input.issuer,
    iat: toWholeSeconds(input.nowMs),
    jti: input.jti,
    aud: input.clientId,
    sub: input.resource.uri,
    txn: input.transactionId ?? input.jti,
    toe: toWholeSeconds(input.occurredAtMs),
    events,
  };
}

function toWholeSeconds(timeMs: number): number {
  return Math.floor(timeMs / 1000);
}

/**
 * Parses the claims of a SET: the type and length of every claim, and the required members of known event types (rules,
 * section 3). Unknown claims, event types and members are accepted, as the standard requires of receivers. A
 * resource-update in every token, which the official OpenAPI requires, is not required (docs/divergences.md).
 *
 * @param options.fractionalTimesAccepted whether `iat` and `toe` may have a fraction, which is cut off. Default false
 * @throws {SetError} invalid_request, naming the claim
 */
export function parseSetClaims(
  payload: Uint8Array,
  options: { readonly fractionalTimesAccepted?: boolean } = {},
): SetClaims {
  const claims = readObject(payload);
  const time = options.fractionalTimesAccepted === true ? secondsCut : wholeSeconds;
  const events = claims['events'];
  if (!isJsonObject(events) || Object.keys(events).length === 0) {
    throw invalidClaim('events', 'must be a non-empty object');
  }
  const parsed: Record<string, EventContent> = {};
  for (const [urn, content] of Object.entries(events)) {
    // Not by assignment: a member named __proto__ would set the prototype.
    Object.defineProperty(parsed, urn, { value: parseContent(urn, content, events), enumerable: true });
  }
  return {
    iss: text(claims, 'iss', 'iss', URI_CHARS_MAX),
    iat: time(claims, 'iat'),
    jti: text(claims, 'jti', 'jti', ID_CHARS_MAX),
    aud: text(claims, 'aud', 'aud', ID_CHARS_MAX),
    sub: text(claims, 'sub', 'sub', URI_CHARS_MAX),
    txn: text(claims, 'txn', 'txn', ID_CHARS_MAX),
    toe: time(claims, 'toe'),
    events: parsed,
    ...(Object.hasOwn(claims, 'exp') && { exp: expiryOf(claims['exp']) }),
  };
}

function expiryOf(exp: unknown): number {
  if (typeof exp === 'number' && Number.isFinite(exp)) return exp;
  throw invalidClaim('exp', 'must be a number of seconds where it is present');
}

function readObject(payload: Uint8Array): Record<string, unknown> {
  try {
    const claims = parseStrictJson(payload);
    if (isJsonObject(claims)) return claims;
  } catch (error) {
    if (error instanceof StrictJsonError)
      throw new SetError('invalid_request', `${error.path || 'The payload'} ${error.message}.`);
    throw error;
  }
  throw new SetError('invalid_request', 'The payload is not a JSON object.');
}

function parseContent(urn: string, content: unknown, events: Record<string, unknown>): EventContent {
  const path = `events[${JSON.stringify(cutText(urn, ID_CHARS_MAX))}]`;
  if (!isJsonObject(content)) throw invalidClaim(path, 'must be an object');
  const rule = standardEventType(urn);
  if (rule === undefined) return content;
  if (Object.hasOwn(content, 'reason')) text(content, 'reason', `${path}.reason`, ID_CHARS_MAX);
  if (Object.hasOwn(content, 'subject')) checkSubject(content['subject'], `${path}.subject`);
  else if (rule.subject === 'always' || !Object.hasOwn(events, RESOURCE_UPDATE)) {
    throw invalidClaim(`${path}.subject`, 'is missing');
  }
  return content;
}

function checkSubject(subject: unknown, path: string): void {
  if (!isJsonObject(subject)) throw invalidClaim(path, 'must be an object');
  if (subject['subject_type'] !== SUBJECT_TYPE) throw invalidClaim(`${path}.subject_type`, `must be ${SUBJECT_TYPE}`);
  text(subject, RESOURCE_ID, `${path}[rid]`, ID_CHARS_MAX);
  // Singular, plural or an unknown type: the receiver decides.
  text(subject, RESOURCE_TYPE, `${path}[rty]`, ID_CHARS_MAX);
  const links = subject[RESOURCE_LINKS];
  if (!Array.isArray(links) || links.length === 0)
    throw invalidClaim(`${path}[rlk]`, 'must be a non-empty array of links');
  for (const [at, link] of links.entries()) {
    if (!isJsonObject(link)) throw invalidClaim(`${path}[rlk][${at}]`, 'must be an object');
    text(link, 'version', `${path}[rlk][${at}].version`, VERSION_CHARS_MAX);
    text(link, 'link', `${path}[rlk][${at}].link`, URI_CHARS_MAX);
  }
}

function text(holder: Record<string, unknown>, member: string, path: string, charsMax: number): string {
  const value = holder[member];
  if (typeof value === 'string' && value !== '' && !isLongerThan(value, charsMax)) return value;
  throw invalidClaim(path, `must be a string of 1 to ${charsMax} characters`);
}

function wholeSeconds(claims: Record<string, unknown>, claim: string): number {
  const value = claims[claim];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalidClaim(claim, 'must be a whole number of seconds');
}

function secondsCut(claims: Record<string, unknown>, claim: string): number {
  const value = claims[claim];
  if (typeof value === 'number' && value >= 0 && Number.isSafeInteger(Math.floor(value))) return Math.floor(value);
  throw invalidClaim(claim, 'must be a number of seconds');
}

function invalidClaim(path: string, why: string): SetError {
  return new SetError('invalid_request', `${path} ${why}.`);
}
