import { createHash } from 'node:crypto';
import {
  importSigningKeys,
  isJsonObject,
  JwksError,
  parseStrictJson,
  SetError,
  StrictJsonError,
  shapeOf,
  type VerifiedSet,
  verifySet,
} from '@tidings/protocol';
import { Evidence } from '../../operator/evidence.ts';
import { CliError, EXIT_CONFIGURATION } from '../cli-error.ts';

/** The result of one check of an evidence file. */
export interface Check {
  readonly check: 'format' | 'hash' | 'signature' | 'key' | 'identity' | 'times' | 'attempts' | 'acknowledgement';
  /** `none`: the file contains nothing of this kind, and does not claim to. */
  readonly outcome: 'passed' | 'failed' | 'none';
  /** The finding as one clause: the value that was checked, or the fault. */
  readonly detail: string;
}

const shapeEvidence = shapeOf(Evidence);
const CLOCK_SKEW_SECONDS = 60;

/**
 * Verifies an evidence file: the signed part against a JWKS that the caller trusts, the rest for consistency with it.
 * Needs no network. Proves that a key of the bank signed the SET; does not prove when it was sent or what the TPP
 * answered, which are the bank's own records.
 *
 * @param nowMs SETs and exports later than this fail, with a tolerance of a minute
 * @param copy a SET that somebody else kept, which then takes the place of that of the file; undefined: none is given
 * @returns the checks in their order; the file is verified if none failed
 * @throws {CliError} if the JWKS is invalid
 */
export async function verifyEvidence(
  text: string,
  jwksText: string,
  nowMs: number,
  copy?: string,
): Promise<readonly Check[]> {
  const jwks = readJwks(jwksText);
  const evidence = readEvidence(text);
  if (typeof evidence === 'string') return [failed('format', evidence)];
  const set = copy ?? evidence.set;
  const latestMs = nowMs + CLOCK_SKEW_SECONDS * 1000;
  return [
    passed('format', `${evidence.format} version ${evidence.version}`),
    ...(set === undefined ? checksWithoutSet(evidence, jwks, latestMs) : await checksOfSet(evidence, set, jwks, nowMs)),
    checkAttempts(evidence),
    checkAcknowledgement(evidence),
  ];
}

async function checksOfSet(evidence: Evidence, set: string, jwks: unknown, nowMs: number): Promise<readonly Check[]> {
  const hash = checkHash(evidence, set);
  const verified = await verifySignature(evidence, set, jwks, nowMs);
  if (typeof verified === 'string') return [hash, failed('signature', verified), checkKey(evidence, jwks)];
  const { header, claims } = verified;
  return [
    hash,
    passed('signature', `PS256 by ${header.iss}, key ${header.kid} of the JWKS, for ${claims.aud}`),
    checkKey(evidence, jwks),
    checkIdentity(evidence, verified),
    checkTimes(evidence, verified, nowMs + CLOCK_SKEW_SECONDS * 1000),
  ];
}

/** The content was erased: what is left is the bank's own record, and the hash that a copy of the SET must match. */
function checksWithoutSet(evidence: Evidence, jwks: unknown, latestMs: number): readonly Check[] {
  const { setSha256, erasedAt } = evidence;
  const detail = `the SET was erased at ${erasedAt}; a copy of it, given with --set, must have the SHA-256 ${setSha256}`;
  return [
    { check: 'hash', outcome: 'none', detail },
    { check: 'signature', outcome: 'none', detail: 'there is no SET whose signature could be verified' },
    checkKey(evidence, jwks),
    checkTimes(evidence, undefined, latestMs),
  ];
}

const passed = (check: Check['check'], detail: string): Check => ({ check, outcome: 'passed', detail });
const failed = (check: Check['check'], detail: string): Check => ({ check, outcome: 'failed', detail });

function readJwks(text: string): unknown {
  try {
    return parseStrictJson(new TextEncoder().encode(text), { acceptsUnfitTexts: true });
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new CliError(EXIT_CONFIGURATION, `The file given by --jwks ${error.message}.`);
  }
}

/** @returns the evidence, or why it is invalid */
function readEvidence(text: string): Evidence | string {
  try {
    const shaped = shapeEvidence(parseStrictJson(new TextEncoder().encode(text), { acceptsUnfitTexts: true }));
    if (!shaped.ok) return `${shaped.fault.path || 'the file'} ${shaped.fault.why}`;
    const { set, erasedAt } = shaped.value;
    if ((set === undefined) === (erasedAt !== undefined)) return shaped.value;
    return 'the file must have either a SET ("set") or when it was erased ("erasedAt")';
  } catch (error) {
    if (error instanceof StrictJsonError) return `the file ${error.message}`;
    throw error;
  }
}

function checkHash({ setSha256 }: Evidence, set: string): Check {
  const actual = createHash('sha256').update(set).digest('hex');
  if (actual === setSha256) return passed('hash', `SHA-256 of the SET is ${actual}`);
  return failed('hash', `SHA-256 of the SET is ${actual}, but the file says ${setSha256}`);
}

/** Verifies the SET as strictly as a receiving TPP. @returns the reason if that fails */
async function verifySignature(
  { issuer, organisationId, trustAnchor, clientId }: Evidence,
  set: string,
  jwks: unknown,
  nowMs: number,
): Promise<VerifiedSet | string> {
  try {
    return await verifySet(set, {
      ...{ issuer, signer: organisationId, audience: clientId, trustAnchors: [trustAnchor] },
      keys: await importSigningKeys(jwks),
      nowSeconds: nowMs / 1000,
      clockSkewSeconds: CLOCK_SKEW_SECONDS,
    });
  } catch (error) {
    if (error instanceof JwksError)
      throw new CliError(EXIT_CONFIGURATION, `The file given by --jwks: ${error.message}`);
    if (error instanceof SetError) return error.message.replace(/\.$/, '');
    throw error;
  }
}

/** The members that identify the key (RFC 7638 section 3.2), and its kid. */
const KEY_MEMBERS = ['kid', 'kty', 'n', 'e'];

function checkKey({ signingKey }: Evidence, jwks: unknown): Check {
  const keys: readonly unknown[] = isJsonObject(jwks) && Array.isArray(jwks['keys']) ? jwks['keys'] : [];
  const inFile = new Map<string, unknown>(Object.entries(signingKey));
  const isSame = keys.some((key) => isJsonObject(key) && KEY_MEMBERS.every((name) => key[name] === inFile.get(name)));
  if (isSame) return passed('key', 'the key in the file is in the JWKS');
  return failed('key', `the key in the file, ${signingKey.kid}, is not in the JWKS`);
}

function checkIdentity({ jti, signingKey }: Evidence, { claims, header }: VerifiedSet): Check {
  if (claims.jti !== jti) return failed('identity', `the jti of the SET is ${claims.jti}, but the file says ${jti}`);
  if (header.kid !== signingKey.kid) {
    return failed('identity', `the SET was signed with key ${header.kid}, but the file holds key ${signingKey.kid}`);
  }
  return passed('identity', `the SET has the jti ${jti}, issued by ${claims.iss} for ${claims.aud}`);
}

// The clocks of instances may differ slightly, and a clock may be set back a little.
const CLOCKS_DIFFER_MS = 10_000;

type Attempt = Evidence['attempts'][number];

/** A point in time in the file. */
interface Moment {
  /** Names the entry and its time, as written in the file. */
  readonly what: string;
  readonly atMs: number;
}

/**
 * Checks the order of times: published (as in the SET), signed, sent, answered, acknowledged, exported.
 *
 * @param set undefined: it was erased
 * @param latestMs an export after this time fails
 */
function checkTimes(evidence: Evidence, set: VerifiedSet | undefined, latestMs: number): Check {
  const { publishedAt, acknowledgedAt, exportedAt, attempts, errors } = evidence;
  if (set !== undefined && Math.floor(Date.parse(publishedAt) / 1000) !== set.claims.iat) {
    return failed('times', `publishedAt (${publishedAt}) contradicts the SET (iat ${set.claims.iat})`);
  }
  if (Date.parse(exportedAt) > latestMs) return failed('times', `exportedAt (${exportedAt}) is in the future`);
  const first = momentOf('publishedAt', publishedAt);
  const last = momentOf('exportedAt', exportedAt);
  const between = [
    ...(set === undefined ? [] : [signatureOf(set)]),
    ...attempts.map((attempt, at) => ({ what: `the end of ${nameOf(attempt, at)}`, atMs: endMsOf(attempt) })),
    ...errors.map(({ reportedAt }, at) => momentOf(`errors[${at}].reportedAt`, reportedAt)),
    ...(acknowledgedAt === undefined ? [] : [momentOf('acknowledgedAt', acknowledgedAt)]),
  ];
  const begun = attempts.map((attempt, at) => ({ what: nameOf(attempt, at), atMs: Date.parse(attempt.startedAt) }));
  for (const line of [[first, ...begun, last], ...between.map((each) => [first, each, last])]) {
    const fault = orderFaultOf(line);
    if (fault !== undefined) return failed('times', fault);
  }
  return {
    check: 'times',
    outcome: 'passed',
    detail: `published ${publishedAt}${set === undefined ? '' : ', as in the SET'}; all other times are in order`,
  };
}

function signatureOf({ header }: VerifiedSet): Moment {
  return { what: `the signature (iat ${header.iatSeconds})`, atMs: header.iatSeconds * 1000 + 999 };
}

function momentOf(what: string, at: string): Moment {
  return { what: `${what} (${at})`, atMs: Date.parse(at) };
}

/** Names an attempt so that it can be found in a log. */
function nameOf({ startedAt, interactionId }: Attempt, at: number): string {
  return `attempts[${at}] (startedAt ${startedAt}, interactionId ${interactionId})`;
}

/** Finds a time that is earlier than the one before it. @returns the fault, or undefined */
function orderFaultOf(line: readonly Moment[]): string | undefined {
  for (const [at, { what, atMs }] of line.entries()) {
    const earlier = line[at - 1];
    if (earlier !== undefined && atMs < earlier.atMs - CLOCKS_DIFFER_MS) return `${what} is before ${earlier.what}`;
  }
  return undefined;
}

/** Checks that each attempt has the members that belong to its outcome. */
function checkAttempts({ attempts }: Evidence): Check {
  for (const [at, attempt] of attempts.entries()) {
    if (!isConsistent(attempt)) return failed('attempts', `${nameOf(attempt, at)} contradicts itself`);
  }
  if (attempts.length === 0)
    return { check: 'attempts', outcome: 'none', detail: 'nothing was sent to a callback URL' };
  const count = attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`;
  return { check: 'attempts', outcome: 'passed', detail: `${count}, each consistent in itself` };
}

function isConsistent({ outcome, status, errorClass, ...attempt }: Attempt): boolean {
  const { interactionId, interactionIdEchoed, interactionIdReturned } = attempt;
  switch (outcome) {
    case 'acknowledged':
      return (
        status === 202 &&
        errorClass === undefined &&
        interactionIdEchoed !== undefined &&
        interactionIdEchoed === (interactionIdReturned === interactionId)
      );
    case 'refused':
      return status !== undefined && status !== 202 && errorClass === undefined;
    case 'unreachable':
      return status === undefined && errorClass !== undefined;
  }
}

/** Checks that an acknowledgement on push is backed by an attempt that was answered with 202 at that time. */
function checkAcknowledgement(evidence: Evidence): Check {
  const { state, acknowledgedAt, acknowledgedBy, attempts } = evidence;
  if (state !== 'acknowledged') {
    if (acknowledgedAt !== undefined || acknowledgedBy !== undefined) {
      return failed(
        'acknowledgement',
        `the notification is ${state}, but the file says when or how it was acknowledged`,
      );
    }
    const detail = `the notification is ${state}: nothing in the file shows that the TPP acknowledged it`;
    return { check: 'acknowledgement', outcome: 'none', detail };
  }
  if (acknowledgedAt === undefined || acknowledgedBy === undefined) {
    return failed('acknowledgement', 'the notification is acknowledged, but the file does not say when and how');
  }
  if (acknowledgedBy !== 'push') {
    const how = acknowledgedBy === 'poll' ? 'by ack in a poll' : 'by being offered in a poll';
    return acknowledged(`${acknowledgedAt}, ${how}: the bank's own record, without an answer of the TPP`);
  }
  const backing = attempts.find(({ outcome, ...attempt }) => {
    return outcome === 'acknowledged' && Math.abs(endMsOf(attempt) - Date.parse(acknowledgedAt)) <= CLOCKS_DIFFER_MS;
  });
  if (backing === undefined) return failed('acknowledgement', `no attempt was answered with 202 at ${acknowledgedAt}`);
  const { callbackUrl, interactionIdReturned = 'none' } = backing;
  return acknowledged(
    `${acknowledgedAt}, by 202 from ${callbackUrl}, interaction id returned: ${interactionIdReturned}`,
  );
}

function endMsOf({ startedAt, durationMs }: Pick<Attempt, 'startedAt' | 'durationMs'>): number {
  return Date.parse(startedAt) + durationMs;
}

function acknowledged(detail: string): Check {
  return { check: 'acknowledgement', outcome: 'passed', detail };
}
