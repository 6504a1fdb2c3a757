import {
  decodeBase64url,
  isJsonObject,
  parseSetClaims,
  parseStrictJson,
  type SetClaims,
  SetError,
  StrictJsonError,
} from '@tidings/protocol';
import { fail } from './expect.ts';

/** The JOSE header of a JWS, not verified. @throws {Failure} when it cannot be read */
export function headerOfJws(jws: string, what: string): Record<string, unknown> {
  return objectIn(jws.split('.')[0], `${what} with a JOSE header that is a JSON object`, jws);
}

/** The claims of a SET as they are, not verified. @throws {Failure} when they cannot be read */
export function rawClaimsOf(token: string): Record<string, unknown> {
  return objectIn(token.split('.')[1], 'a SET with claims that are a JSON object', token);
}

/** The claims of a SET, of the shape of the standard; the signature is not verified. @throws {Failure} */
export function claimsOfSet(token: string): SetClaims {
  try {
    const payload = decodeBase64url(token.split('.')[1] ?? '');
    return payload === undefined ? fail('a SET in canonical base64url', token) : parseSetClaims(payload);
  } catch (error) {
    if (error instanceof SetError) return fail('a SET with the claims of the standard', `${error.message} (${token})`);
    throw error;
  }
}

function objectIn(segment: string | undefined, expected: string, jws: string): Record<string, unknown> {
  const bytes = decodeBase64url(segment ?? '');
  try {
    const value = bytes === undefined ? undefined : parseStrictJson(bytes);
    if (isJsonObject(value)) return value;
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  return fail(expected, jws);
}

/** The jtis of an answer to a poll, in words. */
export function namesOf(sets: ReadonlyMap<string, string>): string {
  return sets.size === 0 ? 'no SET' : [...sets.keys()].join(', ');
}
