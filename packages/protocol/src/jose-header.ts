import { sameDistinguishedName } from './distinguished-name.ts';
import { JwsError } from './jws-error.ts';
import { isJsonObject, parseStrictJson, StrictJsonError } from './strict-json.ts';
import { cutText } from './text.ts';

/** Header members of the standard (rules, section 5). The names are URIs, which are never fetched. */
export const HEADER_IAT = 'http://openbanking.org.uk/iat';
export const HEADER_ISS = 'http://openbanking.org.uk/iss';
export const HEADER_TAN = 'http://openbanking.org.uk/tan';

const CRITICAL_MEMBERS: readonly string[] = [HEADER_IAT, HEADER_ISS, HEADER_TAN];
const KNOWN_MEMBERS = new Set(['alg', 'kid', 'typ', 'cty', 'crit', 'b64', ...CRITICAL_MEMBERS]);
const CONTENT_TYPES = new Set(['json', 'application/json']);

/** Identity of a signer: `kid`, `iss` and `tan` of every header. */
export interface SignerIdentity {
  /** Key id, resolvable at the trust anchor. */
  readonly kid: string;
  /** TPP: `{org-id}/{software-statement-id}`. ASPSP: `{org-id}`. With an eIDAS certificate: its subject DN. */
  readonly iss: string;
  /** DNS name of the trust anchor; `openbanking.org.uk` for the Directory. */
  readonly tan: string;
}

/** The header of a verified JWS. */
export interface JoseHeader {
  readonly kid: string;
  readonly iss: string;
  readonly tan: string;
  /** Seconds since the epoch; may have a fraction, which some signers send. */
  readonly iatSeconds: number;
  /** True for the `b64: false` form of resources v3.1.2 and v3.1.3 (RFC 7797). */
  readonly unencodedPayload: boolean;
}

/** Expectations of a verifier about a header. */
export interface HeaderExpectations {
  /** `iss` of the required signer, compared literally, else as a distinguished name. */
  readonly iss: string;
  /** Trust anchors accepted as `tan`. */
  readonly trustAnchors: readonly string[];
  readonly nowSeconds: number;
  /** How far `iat` may be in the future. */
  readonly clockSkewSeconds: number;
  /**
   * Accepted values of `typ`, compared without regard to case (RFC 7515 section 4.1.9), or any text. `typ` may also be
   * absent.
   */
  readonly typesAccepted: readonly string[] | 'any';
  /** Whether the `b64: false` form is accepted. Never for tokens. */
  readonly unencodedPayloadAccepted: boolean;
}

/**
 * Builds the JOSE header: `alg`, `kid`, the three Open Banking members and `crit`, and nothing else. `typ` is omitted
 * because strict verifiers accept only `JOSE`.
 *
 * @param iatSeconds time of signing, seconds since the epoch; rounded down to whole seconds
 */
export function buildJoseHeader(signer: SignerIdentity, iatSeconds: number, unencodedPayload = false): object {
  return {
    alg: 'PS256',
    kid: signer.kid,
    ...(unencodedPayload && { b64: false }),
    [HEADER_IAT]: Math.floor(iatSeconds),
    [HEADER_ISS]: signer.iss,
    [HEADER_TAN]: signer.tan,
    crit: unencodedPayload ? ['b64', ...CRITICAL_MEMBERS] : CRITICAL_MEMBERS,
  };
}

/** Parses a header as one JSON object without duplicate members. @throws {JwsError} SignatureMalformed */
export function readHeaderObject(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseStrictJson(bytes);
  } catch (error) {
    if (error instanceof StrictJsonError) throw new JwsError('SignatureMalformed', `The JOSE header ${error.message}.`);
    throw error;
  }
  if (!isJsonObject(value)) throw new JwsError('SignatureMalformed', 'The JOSE header is not a JSON object.');
  return value;
}

/**
 * Checks a JOSE header (rules, section 5): it has no members but the listed ones, and each is valid.
 *
 * @throws {JwsError} SignatureMissingClaim or SignatureInvalidClaim, naming the member
 */
export function checkJoseHeader(header: Record<string, unknown>, expected: HeaderExpectations): JoseHeader {
  for (const member of ['alg', 'kid', ...CRITICAL_MEMBERS, 'crit']) {
    if (!Object.hasOwn(header, member)) {
      throw new JwsError('SignatureMissingClaim', `The JOSE header lacks ${member}.`, member);
    }
  }
  for (const member of Object.keys(header)) {
    if (!KNOWN_MEMBERS.has(member)) throw invalid(cutText(member, 100), 'is not allowed by the standard');
  }
  if (header['alg'] !== 'PS256') throw invalid('alg', 'must be PS256');
  const unencodedPayload = checkB64(header, expected.unencodedPayloadAccepted);
  checkCrit(header['crit'], unencodedPayload);
  checkTypes(header, expected.typesAccepted);
  const kid = header['kid'];
  if (typeof kid !== 'string' || kid === '') throw invalid('kid', 'must be a non-empty string');
  return {
    kid,
    unencodedPayload,
    iatSeconds: checkIat(header[HEADER_IAT], expected),
    iss: checkIss(header[HEADER_ISS], expected.iss),
    tan: checkTan(header[HEADER_TAN], expected.trustAnchors),
  };
}

function checkB64(header: Record<string, unknown>, accepted: boolean): boolean {
  if (!Object.hasOwn(header, 'b64')) return false;
  if (!accepted) throw invalid('b64', 'must be absent');
  if (header['b64'] !== false) throw invalid('b64', 'must be false or absent');
  return true;
}

function checkCrit(crit: unknown, unencodedPayload: boolean): void {
  const required = unencodedPayload ? ['b64', ...CRITICAL_MEMBERS] : CRITICAL_MEMBERS;
  if (!Array.isArray(crit)) throw invalid('crit', 'must be an array');
  const complete = required.every((member) => crit.includes(member));
  if (!complete || crit.length !== required.length) {
    throw invalid('crit', `must be exactly ${required.join(', ')}, in any order`);
  }
}

function checkTypes(header: Record<string, unknown>, typesAccepted: readonly string[] | 'any'): void {
  const { typ, cty } = header;
  if (typesAccepted === 'any') {
    if (Object.hasOwn(header, 'typ') && typeof typ !== 'string') throw invalid('typ', 'must be absent or a string');
  } else if (Object.hasOwn(header, 'typ')) {
    const known = typeof typ === 'string' && typesAccepted.some((type) => type.toLowerCase() === typ.toLowerCase());
    if (!known) throw invalid('typ', `must be absent or ${typesAccepted.join(', ')}`);
  }
  if (Object.hasOwn(header, 'cty') && !(typeof cty === 'string' && CONTENT_TYPES.has(cty))) {
    throw invalid('cty', 'must be absent, json or application/json');
  }
}

function checkIat(iat: unknown, expected: HeaderExpectations): number {
  if (typeof iat !== 'number' || iat < 0) throw invalid(HEADER_IAT, 'must be a JSON number of seconds');
  if (iat > expected.nowSeconds + expected.clockSkewSeconds) throw invalid(HEADER_IAT, 'is in the future');
  return iat;
}

function checkIss(iss: unknown, expected: string): string {
  if (typeof iss === 'string' && (iss === expected || sameDistinguishedName(iss, expected))) return iss;
  throw invalid(HEADER_ISS, 'does not identify the participant that must have signed');
}

function checkTan(tan: unknown, trustAnchors: readonly string[]): string {
  if (typeof tan === 'string' && trustAnchors.includes(tan)) return tan;
  throw invalid(HEADER_TAN, 'is not an accepted trust anchor');
}

function invalid(member: string, why: string): JwsError {
  return new JwsError('SignatureInvalidClaim', `The JOSE header member ${member} ${why}.`, member);
}
