import {
  type EventContent,
  RESOURCE_ID,
  RESOURCE_LINKS,
  RESOURCE_TYPE,
  type SetClaims,
  SUBJECT_TYPE,
} from './claims.ts';
import { RESOURCE_UPDATE, standardEventType } from './event-types.ts';
import { SetError } from './set-errors.ts';
import { isJsonObject, parseStrictJson, StrictJsonError } from './strict-json.ts';
import { cutText, isLongerThan } from './text.ts';

const ID_CHARS_MAX = 128;
const URI_CHARS_MAX = 2048;
const VERSION_CHARS_MAX = 10;

/**
 * Parses the claims of a SET: the type and length of every claim, and the required members of known event types (rules,
 * section 3). Unknown claims, event types and members are accepted, as the standard requires of receivers. A
 * resource-update in every token, which the official OpenAPI requires, is not required (docs/divergences.md).
 *
 * @throws {SetError} invalid_request, naming the claim
 */
export function parseSetClaims(payload: Uint8Array): SetClaims {
  const claims = readObject(payload);
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
    iat: wholeSeconds(claims, 'iat'),
    jti: text(claims, 'jti', 'jti', ID_CHARS_MAX),
    aud: text(claims, 'aud', 'aud', ID_CHARS_MAX),
    sub: text(claims, 'sub', 'sub', URI_CHARS_MAX),
    txn: text(claims, 'txn', 'txn', ID_CHARS_MAX),
    toe: wholeSeconds(claims, 'toe'),
    events: parsed,
  };
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

function invalidClaim(path: string, why: string): SetError {
  return new SetError('invalid_request', `${path} ${why}.`);
}
