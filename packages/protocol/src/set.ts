import { parseSetClaims, type SetClaims } from './claims.ts';
import { HEADER_ISS, HEADER_TAN, type JoseHeader } from './jose-header.ts';
import { type JwsSigner, signCompact, type VerifyExpectations, verifyCompact } from './jws.ts';
import { JwsError } from './jws-error.ts';
import type { KeySource } from './keys.ts';
import { SetError } from './set-errors.ts';

/** Values of `typ` that a receiver accepts by default. `typ` may also be absent. */
export const SET_TYPES_ACCEPTED: readonly string[] = ['JOSE', 'JWT', 'secevent+jwt'];

/** Expectations of a receiver about a SET. */
export interface SetExpectations {
  /** `iss` claim: the URI of the ASPSP. */
  readonly issuer: string;
  /** `iss` member of the JOSE header: the ASPSP's organisation id. */
  readonly signer: string;
  /** `aud` claim: the receiver's own client_id. */
  readonly audience: string;
  readonly trustAnchors: readonly string[];
  readonly keys: KeySource;
  readonly nowSeconds: number;
  readonly clockSkewSeconds: number;
  readonly typesAccepted?: readonly string[] | 'any';
  /** Whether `iat` and `toe` may have a fraction, which the standard does not allow; it is cut off. Default false. */
  readonly fractionalTimesAccepted?: boolean;
}

/** A verified notification. */
export interface VerifiedSet {
  readonly claims: SetClaims;
  readonly header: JoseHeader;
}

/** Signs the claims as a SET: a compact JWS that is the whole body of the delivery (rules, section 3). */
export function signSet(claims: SetClaims, signer: JwsSigner, iatSeconds: number): Promise<string> {
  return signCompact(new TextEncoder().encode(JSON.stringify(claims)), signer, iatSeconds);
}

/**
 * Verifies a SET and parses its claims. Does not detect duplicates, which requires a store of `jti`s. Does not check
 * that `iat` is recent: a notification may be collected long after it was created. A SET with an `exp` that has passed is
 * rejected (RFC 7519 section 4.1.4), although SETs of the standard have none.
 *
 * @throws {SetError} with the RFC 8935 code to return to the sender
 */
export async function verifySet(token: string, expected: SetExpectations): Promise<VerifiedSet> {
  const { header, payload } = await verifyJws(token, expected);
  const claims = parseSetClaims(payload, expected);
  if (claims.iss !== expected.issuer) throw new SetError('invalid_issuer', 'iss is not the expected ASPSP.');
  if (claims.aud !== expected.audience) throw new SetError('invalid_audience', 'aud is not the client_id of this TPP.');
  const latest = expected.nowSeconds + expected.clockSkewSeconds;
  if (claims.iat > latest) throw new SetError('invalid_request', 'iat is in the future.');
  if (claims.toe > latest) throw new SetError('invalid_request', 'toe is in the future.');
  if (claims.exp !== undefined && claims.exp <= expected.nowSeconds - expected.clockSkewSeconds) {
    throw new SetError('invalid_request', 'exp has passed.');
  }
  return { claims, header };
}

async function verifyJws(token: string, expected: SetExpectations): ReturnType<typeof verifyCompact> {
  const expectations: VerifyExpectations = {
    iss: expected.signer,
    trustAnchors: expected.trustAnchors,
    nowSeconds: expected.nowSeconds,
    clockSkewSeconds: expected.clockSkewSeconds,
    typesAccepted: expected.typesAccepted ?? SET_TYPES_ACCEPTED,
    unencodedPayloadAccepted: false,
    keys: expected.keys,
  };
  try {
    return await verifyCompact(token, expectations);
  } catch (error) {
    if (!(error instanceof JwsError)) throw error;
    throw new SetError(setErrorCodeOf(error), error.message, { cause: error });
  }
}

function setErrorCodeOf(error: JwsError): SetError['code'] {
  if (error.member === 'kid') return 'invalid_key';
  if (error.member === HEADER_ISS || error.member === HEADER_TAN) return 'invalid_issuer';
  return error.code === 'SignatureInvalid' ? 'authentication_failed' : 'invalid_request';
}
