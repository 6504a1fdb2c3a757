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

/** Demands on the claims, besides those that {@link verifyStrictJwt} always makes. */
export type JwtExpectations = Pick<
  JWTVerifyOptions,
  'typ' | 'issuer' | 'audience' | 'requiredClaims' | 'clockTolerance' | 'currentDate' | 'maxTokenAge'
> & {
  /** Values that are accepted where the member is present; beside `typ`, for issuers who differ in it. */
  readonly types?: RegExp;
};

/** A key that may verify JWTs, and with which algorithms. */
export interface JwtKey {
  readonly cryptoKey: CryptoKey | KeyObject;
  /** Undefined: PS256, which the trust framework signs with. */
  readonly algorithms?: readonly string[];
}

/** Where the keys of one issuer are found; as `KeySource` of the protocol, whose keys are for PS256. */
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
 * @throws whatever `keys` rejects with when they cannot be had
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
    return new StrictJwtError('claim-invalid', sayClaim(error), error.claim);
  }
  if (error instanceof joseErrors.JWSSignatureVerificationFailed) {
    return new StrictJwtError('signature-invalid', 'The signature does not verify.');
  }
  if (error instanceof joseErrors.JOSEAlgNotAllowed) {
    return new StrictJwtError('claim-invalid', `alg must be ${algorithms.join(' or ')}.`, 'alg');
  }
  return error instanceof joseErrors.JOSEError ? new StrictJwtError('malformed', 'It is not a JWT.') : error;
}

function sayClaim({ claim, reason }: joseErrors.JWTClaimValidationFailed | joseErrors.JWTExpired): string {
  if (reason === 'missing') return `${claim} is missing.`;
  return claim === 'exp' || claim === 'nbf' || claim === 'iat'
    ? `${claim} does not allow its use now.`
    : `${claim} is not what it must be.`;
}

/** A claim by its name, which may hold dots itself, or else by a path of names. */
export function claimAt(claims: Readonly<Record<string, unknown>>, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  return path
    .split('.')
    .reduce<unknown>((at, name) => (isJsonObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), claims);
}

/** An array of texts, or one text with spaces between, as scope is written. */
export function textsOf(claim: unknown): readonly string[] {
  if (typeof claim === 'string') return claim.split(' ');
  return Array.isArray(claim) ? claim.filter((each) => typeof each === 'string') : [];
}

// OpenID Connect Core sections 2 and 3.3.2.11, and FAPI 1.0 Advanced section 5.1.1: what only ID tokens have.
const ID_TOKEN_CLAIMS = ['nonce', 'at_hash', 'c_hash', 's_hash'];

/**
 * Refuses an ID token, which tells a client about its user and is no permission to call anybody, though the same issuer
 * signed it with the same key. Also for what introspection tells of a token.
 *
 * @throws {StrictJwtError}
 */
export function refuseIdToken(claims: Readonly<Record<string, unknown>>): void {
  const found = ID_TOKEN_CLAIMS.find((claim) => claims[claim] !== undefined);
  if (found === undefined) return;
  throw new StrictJwtError('claim-invalid', `It is an ID token (${found}), not an access token.`, found);
}
