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
import type { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { colors, print, printJson } from '../base/output.ts';
import { printable } from '../base/terminal-text.ts';
import { Evidence } from '../operator/notifications.ts';
import { CliError, EXIT_CONFIGURATION, EXIT_FAILED } from './cli-error.ts';
import { readNamedFile } from './input.ts';

const HELP = `
Example:
  tidings verify-evidence evidence.json --jwks our-jwks.json

It needs no network. Take the JWKS from where you trust it, not from whoever gave you the file: the key in the file is
compared with it and never trusted.

What it proves: that the SET was signed with that key, and for whom, about what and when the event was published. What it
does not prove: when it was sent, and what the TPP answered. Those are the bank's own records, which the TPP has not
signed; they are checked to fit each other and the SET.

Exit codes: 0 every check passed; 1 one did not; 2 wrong use, or a file cannot be read.`;

/** `tidings verify-evidence`: checks the file of `tidings evidence` without a service. */
export function define(command: Command): void {
  command
    .argument('<file>', 'the evidence (- reads standard input)')
    .requiredOption('--jwks <file>', 'JWKS of the bank, as a file')
    .option('--json', 'print JSON')
    .addHelpText('after', HELP)
    .action(async (file: string, flags: { jwks: string; json?: boolean }) => {
      const evidence = readNamedFile('the argument', file);
      const jwks = readNamedFile('--jwks', flags.jwks);
      const checks = await verifyEvidence(evidence, jwks, systemClock.nowMs());
      printChecks(checks, flags.json === true);
      if (checks.some(({ outcome }) => outcome === 'failed')) process.exitCode = EXIT_FAILED;
    });
}

const PAINTED = { passed: colors.green('passed'), failed: colors.red('failed'), none: colors.dim('none  ') } as const;

/** Prints what was checked, a line each, and what it comes to. */
function printChecks(checks: readonly Check[], asJson: boolean): void {
  const failures = checks.filter(({ outcome }) => outcome === 'failed').length;
  if (asJson) {
    printJson({ isVerified: failures === 0, checks });
    return;
  }
  const width = Math.max(...checks.map(({ check }) => check.length));
  const lines = checks.map(({ check, outcome, detail }) => {
    return `${PAINTED[outcome]}  ${check.padEnd(width)}  ${printable(detail)}\n`;
  });
  print(lines.join(''));
  const verdict = failures === 0 ? 'Every check passed' : `Not to be relied on: ${failures} of the checks failed`;
  print(`${verdict}.\n`);
}

/** The result of one check of an evidence file. */
export interface Check {
  readonly check: 'format' | 'hash' | 'signature' | 'key' | 'identity' | 'times' | 'attempts' | 'acknowledgement';
  /** `none`: there is nothing of this kind in the file, and it does not say that there is. */
  readonly outcome: 'passed' | 'failed' | 'none';
  /** The check or the fault, as one clause. */
  readonly detail: string;
}

const shapeEvidence = shapeOf(Evidence);
const CLOCK_SKEW_SECONDS = 60;

/**
 * Checks an evidence file: what is signed against a JWKS that the caller trusts, what is not against that and itself.
 * Needs no network. Proves that the SET was signed with a key of the bank; does not prove when it was sent nor what came
 * back, which are the bank's own records.
 *
 * @param nowMs SETs of later than this are refused, and files that were exported later; a minute is allowed for clocks
 * @returns what was checked, in its order; the file stands when none failed
 * @throws {CliError} when the JWKS is none
 */
export async function verifyEvidence(text: string, jwksText: string, nowMs: number): Promise<readonly Check[]> {
  const jwks = readJwks(jwksText);
  const evidence = readEvidence(text);
  if (typeof evidence === 'string') return [failed('format', evidence)];
  const verified = await verifySignature(evidence, jwks, nowMs);
  const latestMs = nowMs + CLOCK_SKEW_SECONDS * 1000;
  return [
    passed('format', `${evidence.format} version ${evidence.version}`),
    checkHash(evidence),
    typeof verified === 'string'
      ? failed('signature', verified)
      : passed(
          'signature',
          `PS256 by ${verified.header.iss}, key ${verified.header.kid} of the JWKS, for ${verified.claims.aud}`,
        ),
    checkKey(evidence, jwks),
    ...(typeof verified === 'string'
      ? []
      : [checkIdentity(evidence, verified), checkTimes(evidence, verified, latestMs)]),
    checkAttempts(evidence),
    checkAcknowledgement(evidence),
  ];
}

const passed = (check: Check['check'], detail: string): Check => ({ check, outcome: 'passed', detail });
const failed = (check: Check['check'], detail: string): Check => ({ check, outcome: 'failed', detail });

function readJwks(text: string): unknown {
  try {
    return parseStrictJson(new TextEncoder().encode(text), { acceptsUnfitTexts: true });
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new CliError(EXIT_CONFIGURATION, `The file named by --jwks ${error.message}.`);
  }
}

/** @returns the evidence, or why it is none */
function readEvidence(text: string): Evidence | string {
  try {
    const shaped = shapeEvidence(parseStrictJson(new TextEncoder().encode(text), { acceptsUnfitTexts: true }));
    if (shaped.ok) return shaped.value;
    return `${shaped.fault.path || 'the file'} ${shaped.fault.why}`;
  } catch (error) {
    if (error instanceof StrictJsonError) return `the file ${error.message}`;
    throw error;
  }
}

function checkHash({ set, setSha256 }: Evidence): Check {
  const actual = createHash('sha256').update(set).digest('hex');
  if (actual === setSha256) return passed('hash', `SHA-256 of the SET is ${actual}`);
  return failed('hash', `SHA-256 of the SET is ${actual}, and the file says ${setSha256}`);
}

/** As strictly as a TPP does when it receives it. @returns why not */
async function verifySignature(evidence: Evidence, jwks: unknown, nowMs: number): Promise<VerifiedSet | string> {
  const { set, issuer, organisationId, trustAnchor, clientId } = evidence;
  try {
    return await verifySet(set, {
      ...{ issuer, signer: organisationId, audience: clientId, trustAnchors: [trustAnchor] },
      keys: await importSigningKeys(jwks),
      nowSeconds: nowMs / 1000,
      clockSkewSeconds: CLOCK_SKEW_SECONDS,
    });
  } catch (error) {
    if (error instanceof JwksError)
      throw new CliError(EXIT_CONFIGURATION, `The file named by --jwks: ${error.message}`);
    if (error instanceof SetError) return error.message.replace(/\.$/, '');
    throw error;
  }
}

/** The members that make the key (RFC 7638 section 3.2), with its name. */
const KEY_MEMBERS = ['kid', 'kty', 'n', 'e'];

function checkKey({ signingKey }: Evidence, jwks: unknown): Check {
  const keys: readonly unknown[] = isJsonObject(jwks) && Array.isArray(jwks['keys']) ? jwks['keys'] : [];
  const inFile = new Map<string, unknown>(Object.entries(signingKey));
  const isSame = keys.some((key) => isJsonObject(key) && KEY_MEMBERS.every((name) => key[name] === inFile.get(name)));
  if (isSame) return passed('key', 'the key in the file is the one in the JWKS');
  return failed('key', `the key in the file, ${signingKey.kid}, is not in the JWKS`);
}

function checkIdentity({ jti, signingKey }: Evidence, { claims, header }: VerifiedSet): Check {
  if (claims.jti !== jti) return failed('identity', `the jti of the SET is ${claims.jti}, and the file says ${jti}`);
  if (header.kid !== signingKey.kid) {
    return failed('identity', `the SET was signed with ${header.kid}, and the file holds ${signingKey.kid}`);
  }
  return passed('identity', `the SET is ${jti}, of ${claims.iss}, for ${claims.aud}`);
}

// Instances of the service may tell slightly different times, and a clock may be set back a little.
const CLOCKS_DIFFER_MS = 10_000;

type Attempt = Evidence['attempts'][number];

/** Something that happened. */
interface Moment {
  /** The entry, with its time as the file has it. */
  readonly what: string;
  readonly atMs: number;
}

/**
 * Times follow each other: published (which the SET says too), signed, sent, answered, acknowledged, exported.
 *
 * @param latestMs nothing can have been exported after that
 */
function checkTimes(evidence: Evidence, { claims, header }: VerifiedSet, latestMs: number): Check {
  const { publishedAt, acknowledgedAt, exportedAt, attempts, errors } = evidence;
  if (Math.floor(Date.parse(publishedAt) / 1000) !== claims.iat) {
    return failed('times', `publishedAt (${publishedAt}) is not what the SET says (iat ${claims.iat})`);
  }
  if (Date.parse(exportedAt) > latestMs) return failed('times', `exportedAt (${exportedAt}) lies in the future`);
  const first = momentOf('publishedAt', publishedAt);
  const last = momentOf('exportedAt', exportedAt);
  const betweenThem = [
    { what: `the signature (iat ${header.iatSeconds})`, atMs: header.iatSeconds * 1000 + 999 },
    ...attempts.map((attempt, at) => ({ what: `the end of ${nameOf(attempt, at)}`, atMs: endMsOf(attempt) })),
    ...errors.map(({ reportedAt }, at) => momentOf(`errors[${at}].reportedAt`, reportedAt)),
    ...(acknowledgedAt === undefined ? [] : [momentOf('acknowledgedAt', acknowledgedAt)]),
  ];
  const begun = attempts.map((attempt, at) => ({ what: nameOf(attempt, at), atMs: Date.parse(attempt.startedAt) }));
  for (const line of [[first, ...begun, last], ...betweenThem.map((each) => [first, each, last])]) {
    const wrong = wrongIn(line);
    if (wrong !== undefined) return failed('times', wrong);
  }
  return {
    check: 'times',
    outcome: 'passed',
    detail: `published ${publishedAt}, as the SET says; the others in order`,
  };
}

function momentOf(what: string, at: string): Moment {
  return { what: `${what} (${at})`, atMs: Date.parse(at) };
}

/** An attempt as whoever compares the file with a log finds it. */
function nameOf({ startedAt, interactionId }: Attempt, at: number): string {
  return `attempts[${at}] (startedAt ${startedAt}, interactionId ${interactionId})`;
}

/** @returns what lies before which that must come earlier */
function wrongIn(line: readonly Moment[]): string | undefined {
  for (const [at, { what, atMs }] of line.entries()) {
    const earlier = line[at - 1];
    if (earlier !== undefined && atMs < earlier.atMs - CLOCKS_DIFFER_MS) return `${what} lies before ${earlier.what}`;
  }
  return undefined;
}

/** Each attempt says of itself what an attempt of its outcome has. */
function checkAttempts({ attempts }: Evidence): Check {
  for (const [at, attempt] of attempts.entries()) {
    if (!isWhole(attempt)) return failed('attempts', `${nameOf(attempt, at)} contradicts itself`);
  }
  if (attempts.length === 0)
    return { check: 'attempts', outcome: 'none', detail: 'nothing was sent to a callback URL' };
  const count = attempts.length === 1 ? '1 attempt' : `${attempts.length} attempts`;
  return { check: 'attempts', outcome: 'passed', detail: `${count}, each with what belongs to it` };
}

function isWhole({ outcome, status, errorClass, ...attempt }: Attempt): boolean {
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

/** An acknowledgement on push is backed by an attempt that was answered 202 then. */
function checkAcknowledgement(evidence: Evidence): Check {
  const { state, acknowledgedAt, acknowledgedBy, attempts } = evidence;
  if (state !== 'acknowledged') {
    if (acknowledgedAt !== undefined || acknowledgedBy !== undefined) {
      return failed('acknowledgement', `the notification is ${state}, and yet it says when or how it was acknowledged`);
    }
    const detail = `the notification is ${state}: nothing here shows that the TPP acknowledged it`;
    return { check: 'acknowledgement', outcome: 'none', detail };
  }
  if (acknowledgedAt === undefined || acknowledgedBy === undefined) {
    return failed('acknowledgement', 'the notification is acknowledged, and it does not say when and how');
  }
  if (acknowledgedBy !== 'push') {
    const how = acknowledgedBy === 'poll' ? 'by ack in a poll' : 'by being offered in a poll';
    return acknowledged(`${acknowledgedAt}, ${how}: the bank's record, with no answer of the TPP in it`);
  }
  const backing = attempts.find(({ outcome, ...attempt }) => {
    return outcome === 'acknowledged' && Math.abs(endMsOf(attempt) - Date.parse(acknowledgedAt)) <= CLOCKS_DIFFER_MS;
  });
  if (backing === undefined) return failed('acknowledgement', `no attempt was answered 202 at ${acknowledgedAt}`);
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
