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
import type { Check } from './check.ts';
import { checkAcknowledgement, checkAttempts, checkTimes } from './records.ts';

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

/** What makes the key (RFC 7638 section 3.2), with its name. */
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
