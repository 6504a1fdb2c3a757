import { flattenedVerify, errors as joseErrors } from 'jose';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import {
  buildJoseHeader,
  checkJoseHeader,
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  type HeaderExpectations,
  type JoseHeader,
  readHeaderObject,
  type SignerIdentity,
} from './jose-header.ts';
import { JwsError } from './jws-error.ts';
import type { KeySource, VerificationKey } from './keys.ts';

/** Signs as one participant. `sign` hides where the private key is, such as a file or a hardware security module. */
export interface JwsSigner extends SignerIdentity {
  /** Signs with PS256: RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes (RFC 7518 section 3.5). */
  sign(signingInput: Uint8Array): Promise<Uint8Array>;
}

/** Expectations of a verifier about the header, and the signer's keys. */
export interface VerifyExpectations extends HeaderExpectations {
  readonly keys: KeySource;
}

/** Maximum length of a compact JWS or detached signature. */
export const JWS_CHARS_MAX = 131_072;

/** Accepted values of `typ` in `x-jws-signature`. `typ` may also be absent. */
export const SIGNATURE_TYPES: readonly string[] = ['JOSE'];

const utf8 = new TextEncoder();
const DOT = 0x2e;

/** Signs a payload in compact form (RFC 7515 section 7.1) with the JOSE header of the standard (rules, section 5). */
export async function signCompact(payload: Uint8Array, signer: JwsSigner, iatSeconds: number): Promise<string> {
  const header = encodeHeader(buildJoseHeader(signer, iatSeconds));
  const signingInput = `${header}.${encodeBase64url(payload)}`;
  return `${signingInput}.${encodeBase64url(await signer.sign(utf8.encode(signingInput)))}`;
}

/**
 * Signs a body for `x-jws-signature`: the compact form with an empty middle segment (RFC 7515 appendix F).
 *
 * @param options.unencodedPayload true for resources v3.1.2 and v3.1.3: the raw bytes of the body are signed (RFC 7797)
 */
export async function signDetached(
  body: Uint8Array,
  signer: JwsSigner,
  iatSeconds: number,
  options: { unencodedPayload?: boolean } = {},
): Promise<string> {
  const unencodedPayload = options.unencodedPayload ?? false;
  const header = encodeHeader(buildJoseHeader(signer, iatSeconds, unencodedPayload));
  const payload = unencodedPayload ? body : utf8.encode(encodeBase64url(body));
  const signature = await signer.sign(joinWithDot(utf8.encode(header), payload));
  return `${header}..${encodeBase64url(signature)}`;
}

/**
 * Verifies a compact JWS (rules, section 5). Rejects the `b64: false` form whatever `expected` says, because it never
 * applies to tokens. Does not parse the payload.
 *
 * @returns the header, and the bytes of the payload
 * @throws {JwsError} with the code of section 7
 */
export async function verifyCompact(
  token: string,
  expected: VerifyExpectations,
): Promise<{ header: JoseHeader; payload: Uint8Array }> {
  const segments = splitJws(token);
  const expectations = { ...expected, unencodedPayloadAccepted: false };
  const header = checkJoseHeader(readHeaderObject(segments.headerBytes), expectations);
  const payload = decodeBase64url(segments.payload);
  if (payload === undefined) throw new JwsError('SignatureMalformed', 'The payload is not canonical base64url.');
  await checkSignature(segments, segments.payload, await resolveKey(header.kid, expected.keys));
  return { header, payload };
}

/**
 * Verifies a detached JWS over the exact bytes received. A body that was parsed and serialised again does not verify.
 *
 * @throws {JwsError} with the code of section 7
 */
export async function verifyDetached(
  signature: string,
  body: Uint8Array,
  expected: VerifyExpectations,
): Promise<JoseHeader> {
  const segments = splitJws(signature);
  if (segments.payload !== '') {
    throw new JwsError('SignatureMalformed', 'The signature must be detached: its middle segment must be empty.');
  }
  const header = checkJoseHeader(readHeaderObject(segments.headerBytes), expected);
  const payload = header.unencodedPayload ? body : encodeBase64url(body);
  await checkSignature(segments, payload, await resolveKey(header.kid, expected.keys));
  return header;
}

/**
 * Verifies the PS256 signature of any compact JWS, without the Open Banking header of section 5. Only for checking this
 * code against published test vectors: use {@link verifyCompact} for tokens of the standard.
 *
 * @throws {JwsError} SignatureMalformed, SignatureInvalidClaim (`alg` is not PS256) or SignatureInvalid
 */
export async function verifyPs256(token: string, key: VerificationKey): Promise<Uint8Array> {
  const segments = splitJws(token);
  const header = readHeaderObject(segments.headerBytes);
  if (header['alg'] !== 'PS256') throw new JwsError('SignatureInvalidClaim', 'alg must be PS256.', 'alg');
  if (Object.hasOwn(header, 'b64') || Object.hasOwn(header, 'crit')) {
    throw new JwsError('SignatureInvalidClaim', 'Extensions are not supported here.', 'crit');
  }
  const payload = decodeBase64url(segments.payload);
  if (payload === undefined) throw new JwsError('SignatureMalformed', 'The payload is not canonical base64url.');
  await checkSignature(segments, segments.payload, key);
  return payload;
}

interface Segments {
  readonly header: string;
  readonly headerBytes: Uint8Array;
  readonly payload: string;
  readonly signature: string;
}

function splitJws(jws: string): Segments {
  if (jws.length > JWS_CHARS_MAX) {
    throw new JwsError('SignatureMalformed', `A JWS may have at most ${JWS_CHARS_MAX} characters.`);
  }
  const [header, payload, signature, ...more] = jws.split('.', 4);
  if (header === undefined || payload === undefined || signature === undefined || more.length > 0) {
    throw new JwsError('SignatureMalformed', 'A JWS must have three segments, separated by dots.');
  }
  const headerBytes = decodeBase64url(header);
  if (headerBytes === undefined || header === '') {
    throw new JwsError('SignatureMalformed', 'The JOSE header is not canonical base64url.');
  }
  if (decodeBase64url(signature) === undefined || signature === '') {
    throw new JwsError('SignatureMalformed', 'The signature is not canonical base64url.');
  }
  return { header, headerBytes, payload, signature };
}

async function resolveKey(kid: string, keys: KeySource): Promise<VerificationKey> {
  const key = await keys.keyFor(kid);
  if (key === undefined) {
    throw new JwsError(
      'SignatureInvalidClaim',
      'The JOSE header member kid does not name a signing key of the signer.',
      'kid',
    );
  }
  return key;
}

async function checkSignature(segments: Segments, payload: string | Uint8Array, key: VerificationKey): Promise<void> {
  const jws = { protected: segments.header, payload, signature: segments.signature };
  const crit = { [HEADER_IAT]: true, [HEADER_ISS]: true, [HEADER_TAN]: true };
  try {
    await flattenedVerify(jws, key.cryptoKey, { algorithms: ['PS256'], crit });
  } catch (error) {
    if (error instanceof joseErrors.JOSEError) throw new JwsError('SignatureInvalid', 'The signature does not verify.');
    throw error;
  }
}

function encodeHeader(header: object): string {
  return encodeBase64url(utf8.encode(JSON.stringify(header)));
}

function joinWithDot(header: Uint8Array, payload: Uint8Array): Uint8Array {
  const joined = new Uint8Array(header.length + 1 + payload.length);
  joined.set(header);
  joined[header.length] = DOT;
  joined.set(payload, header.length + 1);
  return joined;
}
