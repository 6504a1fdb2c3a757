import {
  decodeBase64url,
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  isJsonObject,
  type KeySource,
  parseSetClaims,
  parseStrictJson,
  SET_TYPES_ACCEPTED,
  SetError,
  StrictJsonError,
  verifySet,
} from '@tidings/protocol';
import { keysFailure } from '../net/remote-keys.ts';
import { eventsOf } from '../notification/notification-event.ts';

/** The caller's expectations. Where one is left out, any value of the token is accepted. */
export interface InspectionExpectations {
  readonly issuer?: string | undefined;
  readonly signer?: string | undefined;
  readonly clientId?: string | undefined;
  readonly keys?: KeySource | undefined;
  readonly nowSeconds: number;
}

/** One member of a token, held against its rule. */
export interface Finding {
  readonly part: 'header' | 'claim' | 'event' | 'signature';
  readonly name: string;
  /** The value as JSON, or a time as text; undefined when the member is absent. */
  readonly value: string | undefined;
  /** `unknown`: cannot be told without keys. */
  readonly verdict: 'good' | 'wrong' | 'unknown';
  /** The rule, and how it is broken. */
  readonly explanation: string;
}

/** Whether a whole token is acceptable, and the findings that led to it. */
export interface Inspection {
  readonly verdict: Finding['verdict'];
  readonly findings: readonly Finding[];
}

type Check = (value: unknown, expected: InspectionExpectations) => string | undefined;

interface Rule {
  readonly name: string;
  readonly rule: string;
  readonly isOptional?: boolean;
  /** @returns how the rule is broken; undefined when it holds */
  readonly fault: Check;
}

/** The worst first. */
const VERDICTS: readonly Finding['verdict'][] = ['wrong', 'unknown', 'good'];
const CLOCK_SKEW_SECONDS = 60;
const CRITICAL = [HEADER_IAT, HEADER_ISS, HEADER_TAN];

const text =
  (charsMax: number): Check =>
  (value) =>
    typeof value === 'string' && value !== '' && value.length <= charsMax
      ? undefined
      : `must be a text of 1 to ${charsMax} characters`;
const oneOf =
  (...values: string[]): Check =>
  (value) =>
    values.some((each) => typeof value === 'string' && each.toLowerCase() === value.toLowerCase())
      ? undefined
      : `must be ${values.join(' or ')}`;
const past =
  (isWhole: boolean): Check =>
  (value, { nowSeconds }) => {
    if (typeof value !== 'number' || value < 0) return 'must be a number of seconds since 1970';
    if (isWhole && !Number.isSafeInteger(value)) return 'must have no fraction';
    return value > nowSeconds + CLOCK_SKEW_SECONDS ? 'is in the future' : undefined;
  };
const equal =
  (charsMax: number, wanted: (expected: InspectionExpectations) => string | undefined): Check =>
  (value, expected) => {
    const other = wanted(expected);
    return text(charsMax)(value, expected) ?? (other === undefined || other === value ? undefined : `must be ${other}`);
  };
const critFault: Check = (value) =>
  Array.isArray(value) && value.length === CRITICAL.length && CRITICAL.every((each) => value.includes(each))
    ? undefined
    : `must be exactly ${CRITICAL.join(', ')}, in any order`;

const HEADER_RULES: readonly Rule[] = [
  {
    name: 'alg',
    rule: 'The algorithm is PS256 and no other.',
    fault: (alg) => (alg === 'PS256' ? undefined : 'must be PS256'),
  },
  { name: 'kid', rule: "Names a key in the bank's JWKS.", fault: text(2048) },
  { name: 'typ', rule: 'May be absent.', isOptional: true, fault: oneOf(...SET_TYPES_ACCEPTED) },
  { name: 'cty', rule: 'May be absent.', isOptional: true, fault: oneOf('json', 'application/json') },
  { name: HEADER_IAT, rule: 'When it was signed; a fraction is accepted.', fault: past(false) },
  {
    name: HEADER_ISS,
    rule: 'Who signed: the organisation id of the bank.',
    fault: equal(2048, ({ signer }) => signer),
  },
  { name: HEADER_TAN, rule: 'The trust anchor: a DNS name that you accept.', fault: text(253) },
  { name: 'crit', rule: 'Names the three members of Open Banking.', fault: critFault },
];

const CLAIM_RULES: readonly Rule[] = [
  { name: 'iss', rule: 'URI of the bank.', fault: equal(2048, ({ issuer }) => issuer) },
  { name: 'iat', rule: 'When the notification was made.', fault: past(true) },
  { name: 'jti', rule: 'Identifies the notification over all retries.', fault: text(128) },
  { name: 'aud', rule: 'Your client_id.', fault: equal(128, ({ clientId }) => clientId) },
  { name: 'sub', rule: 'URI of the resource.', fault: text(2048) },
  { name: 'txn', rule: 'The interaction that caused the event, or the jti.', fault: text(128) },
  { name: 'toe', rule: 'When the event occurred.', fault: past(true) },
  {
    name: 'events',
    rule: 'One or more events, by their URN.',
    fault: (events) => (isJsonObject(events) ? undefined : 'must be an object'),
  },
];

/**
 * Holds a compact token against the rules of the standard, member by member (rules, sections 3 and 5), then as the receiver
 * does. It verifies the signature only when keys are given.
 */
export async function inspectToken(token: string, expected: InspectionExpectations): Promise<Inspection> {
  const [header = '', payload = ''] = token.split('.');
  const findings = [
    ...inspectObject('header', header, HEADER_RULES, expected),
    ...inspectObject('claim', payload, CLAIM_RULES, expected),
    ...inspectEvents(payload),
  ];
  findings.push(await inspectSignature(token, findings, expected));
  const worst = VERDICTS.find((verdict) => findings.some((each) => each.verdict === verdict));
  return { verdict: worst ?? 'good', findings };
}

function inspectObject(
  part: 'header' | 'claim',
  segment: string,
  rules: readonly Rule[],
  expected: InspectionExpectations,
): Finding[] {
  const what = part === 'header' ? 'JOSE header' : 'payload';
  const object = readObject(segment);
  if (typeof object === 'string')
    return [{ part, name: what, value: undefined, verdict: 'wrong', explanation: `The ${what} ${object}.` }];
  const listed = rules.flatMap(({ name, rule, isOptional = false, fault }): Finding[] => {
    if (!Object.hasOwn(object, name)) {
      if (isOptional) return [];
      return [{ part, name, value: undefined, verdict: 'wrong', explanation: `${rule} It is missing.` }];
    }
    const why = fault(object[name], expected);
    const explanation = why === undefined ? rule : `${rule} It ${why}.`;
    return [{ part, name, value: show(object[name]), verdict: why === undefined ? 'good' : 'wrong', explanation }];
  });
  const others = Object.keys(object).filter((name) => !rules.some((each) => each.name === name));
  return [
    ...listed,
    ...others.map((name): Finding => {
      const value = show(object[name]);
      // A receiver refuses header members that it does not know, and ignores such claims.
      if (part === 'claim') return { part, name, value, verdict: 'good', explanation: 'Not of the standard; ignored.' };
      return { part, name, value, verdict: 'wrong', explanation: 'The standard does not allow this member.' };
    }),
  ];
}

/** @returns the object, or why there is none, to follow the name of the part */
function readObject(segment: string): Record<string, unknown> | string {
  const bytes = decodeBase64url(segment);
  if (bytes === undefined || bytes.length === 0) return 'is not base64url without padding';
  try {
    const value = parseStrictJson(bytes);
    return isJsonObject(value) ? value : 'is not a JSON object';
  } catch (error) {
    if (error instanceof StrictJsonError) return error.message;
    throw error;
  }
}

function inspectEvents(segment: string): Finding[] {
  const bytes = decodeBase64url(segment);
  if (bytes === undefined || bytes.length === 0) return [];
  try {
    return eventsOf(parseSetClaims(bytes)).map(({ kind, eventType, resourceType, resourceId, reason }): Finding => {
      const about = `About ${resourceType ?? 'a resource of no type'} ${resourceId ?? 'without an id'}.`;
      const known = kind === 'other' ? " A type of the bank's own, or of a later standard." : '';
      const explanation = `${about}${reason === undefined ? '' : ` Reason: ${reason}.`}${known}`;
      return { part: 'event', name: eventType, value: kind, verdict: 'good', explanation };
    });
  } catch (error) {
    if (!(error instanceof SetError)) throw error;
    return [{ part: 'event', name: 'claims', value: undefined, verdict: 'wrong', explanation: error.message }];
  }
}

async function inspectSignature(
  token: string,
  findings: readonly Finding[],
  { issuer, signer, clientId, keys, nowSeconds }: InspectionExpectations,
): Promise<Finding> {
  const result = (verdict: Finding['verdict'], explanation: string): Finding => {
    return { part: 'signature', name: 'PS256', value: undefined, verdict, explanation };
  };
  if (keys === undefined) return result('unknown', 'Not verified: give the keys of the bank with --jwks.');
  const given = (part: Finding['part'], name: string): string => {
    const value = findings.find((each) => each.part === part && each.name === name)?.value;
    return value === undefined ? '' : String(parseStrictJson(new TextEncoder().encode(value)));
  };
  try {
    await verifySet(token, {
      issuer: issuer ?? given('claim', 'iss'),
      signer: signer ?? given('header', HEADER_ISS),
      audience: clientId ?? given('claim', 'aud'),
      trustAnchors: [given('header', HEADER_TAN)],
      keys,
      nowSeconds,
      clockSkewSeconds: CLOCK_SKEW_SECONDS,
    });
    return result('good', 'The signature verifies, and a receiver would accept the token.');
  } catch (error) {
    if (error instanceof SetError)
      return result('wrong', `A receiver would refuse it with ${error.code}: ${error.message}`);
    return result('unknown', keysFailure(error));
  }
}

function show(value: unknown): string {
  return JSON.stringify(value);
}
