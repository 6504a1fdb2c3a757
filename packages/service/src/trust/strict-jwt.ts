import type { KeyObject } from 'node:crypto';
import { decodeBase64url, isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { type CryptoKey, type JWTPayload, type JWTVerifyOptions, errors as joseErrors, jwtVerify } from 'jose';

/** A fault of a JWT. */
export type StrictJwtErrorCode = 'malformed' | 'key-unknown' | 'signature-invalid' | 'claim-invalid';

/** A JWT was refused. `message` is fit to be shown to whoever sent it. */
export class StrictJwtError extends Error {
  override readonly name = 'StrictJwtError';
  readonly code: StrictJwtErrorCode;
  /** The claim or header member that was refused, where it is one. */
  readonly claim: string | undefined;

  constructor(code: StrictJwtErrorCode, message: string, claim?: string) {
    super(message);
    this.code = code;
    this.claim = claim;
  }
}

/** Requirements on the claims, beside those that {@link verifyStrictJwt} always makes. */
export type JwtExpectations = Pick<
  JWTVerifyOptions,
  'typ' | 'issuer' | 'audience' | 'requiredClaims' | 'clockTolerance' | 'currentDate' | 'maxTokenAge'
> & {
  /** Accepted values of the header's `typ` where it is present; in place of `typ`, for issuers that vary it. */
  readonly types?: RegExp;
};

/** A key for verifying JWTs, and its algorithms. */
export interface JwtKey {
  readonly cryptoKey: CryptoKey | KeyObject;
  /** Default: PS256, the algorithm of the trust framework. */
  readonly algorithms?: readonly string[];
}

/** The keys of one issuer; as `KeySource` of the protocol, whose keys are all for PS256. */
export interface JwtKeys {
  keyFor(kid: string): Promise<JwtKey | undefined>;
}

const PS256 = ['PS256'];

/**
 * Verifies a plain JWT (RFC 7519): PS256 or what the key is for, a `kid` of the given keys, no critical extension,
 * canonical base64url, no JSON member twice in header or payload, and the claims that are expected. It is not for
 * signatures of the standard's own profile (`x-jws-signature`, SETs). Members that lead to keys (`jku`, `x5u`, `jwk`) are
 * neither used nor refused. Does not bound the length: the caller does.
 *
 * @throws {StrictJwtError}
 * @throws the error of `keys` when they are unavailable
 */
export async function verifyStrictJwt(jwt: string, keys: JwtKeys, expected: JwtExpectations): Promise<JWTPayload> {
  const [header, payload, signature, ...more] = jwt.split('.', 4).map(decodeBase64url);
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw new StrictJwtError('malformed', 'It is not a JWT: three segments of base64url, separated by dots.');
  }
  const { kid, typ } = readObject(header, 'header');
  readObject(payload, 'payload');
  if (typeof kid !== 'string' || kid === '') throw new StrictJwtError('claim-invalid', 'The header lacks kid.', 'kid');
  const { types, ...checked } = expected;
  if (types !== undefined && typ !== undefined && !(typeof typ === 'string' && types.test(typ))) {
    throw new StrictJwtError('claim-invalid', 'typ is that of another kind of token.', 'typ');
  }
  const key = await keys.keyFor(kid);
  if (key === undefined) throw new StrictJwtError('key-unknown', 'kid names no signing key of the issuer.', 'kid');
  const { cryptoKey, algorithms = PS256 } = key;
  try {
    const verified = await jwtVerify(jwt, cryptoKey, { ...checked, algorithms: [...algorithms] });
    return verified.payload;
  } catch (error) {
    throw refusalOf(error, algorithms);
  }
}

function readObject(bytes: Uint8Array, name: string): Record<string, unknown> {
  try {
    const value = parseStrictJson(bytes);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
    throw new StrictJwtError('malformed', `The ${name} ${error.message}.`);
  }
  throw new StrictJwtError('malformed', `The ${name} is not a JSON object.`);
}

function refusalOf(error: unknown, algorithms: readonly string[]): unknown {
  if (error instanceof joseErrors.JWTClaimValidationFailed || error instanceof joseErrors.JWTExpired) {
    return new StrictJwtError('claim-invalid', describeClaimError(error), error.claim);
  }
  if (error instanceof joseErrors.JWSSignatureVerificationFailed) {
    return new StrictJwtError('signature-invalid', 'The signature does not verify.');
  }
  if (error instanceof joseErrors.JOSEAlgNotAllowed) {
    return new StrictJwtError('claim-invalid', `alg must be ${algorithms.join(' or ')}.`, 'alg');
  }
  return error instanceof joseErrors.JOSEError ? new StrictJwtError('malformed', 'It is not a JWT.') : error;
}

function describeClaimError({ claim, reason }: joseErrors.JWTClaimValidationFailed | joseErrors.JWTExpired): string {
  if (reason === 'missing') return `${claim} is missing.`;
  return claim === 'exp' || claim === 'nbf' || claim === 'iat'
    ? `${claim} does not allow its use now.`
    : `${claim} is not what it must be.`;
}

/** A claim by its name, which may contain dots, or else by a path of names separated by dots. */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path
    .split('.')
    .reduce<unknown>((at, name) => (isJsonObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), claims);
}

/** The values of a claim that is an array of strings, or one string of values separated by spaces, as `scope` is. */
export function textsOf(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((each) => typeof each === 'string') : [];
}

// Claims that only ID tokens have: OpenID Connect Core sections 2 and 3.3.2.11, FAPI 1.0 Advanced section 5.1.1.
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash', 's_hash'];

/**
 * Rejects an ID token: the same issuer signs it with the same key, but it does not permit to call an API. Also for the claims of
 * an introspection answer.
 *
 * @throws {StrictJwtError}
 */
export function rejectIdToken(claims: Readonly<Record<string, unknown>>): void {
  const found = ID_TOKEN_CLAIMS.find((claim) => claims[claim] !== undefined);
  if (found === undefined) return;
  throw new StrictJwtError('claim-invalid', `It is an ID token (${found}), not an access token.`, found);
}
