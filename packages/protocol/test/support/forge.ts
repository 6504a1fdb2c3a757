import { constants, type KeyObject, sign } from 'node:crypto';
import {
  HEADER_IAT,
  HEADER_ISS,
  HEADER_TAN,
  type JoseHeader,
  SIGNATURE_TYPES,
  type VerifyExpectations,
  verifyCompact,
  verifyDetached,
} from '../../src/index.ts';
import { base64url, concat, utf8 } from './bytes.ts';
import { CLOCK_SKEW_SECONDS, NOW_SECONDS, TRUST_ANCHOR, tpp } from './parties.ts';

export type HeaderMembers = Record<string, unknown>;
/** Computes the signature over a signing input. */
export type Signing = (signingInput: Uint8Array) => Uint8Array;

/** RSASSA-PSS with the TPP's key; PS256 unless told otherwise. */
export function pss(saltLength = 32, key: KeyObject = tpp.privateKey, hash = 'sha256'): Signing {
  const padding = constants.RSA_PKCS1_PSS_PADDING;
  return (signingInput) => new Uint8Array(sign(hash, signingInput, { key, padding, saltLength }));
}

/** A header that keeps every rule, with members changed or added; a member given as undefined is left out. */
export function header(changes: HeaderMembers = {}): HeaderMembers {
  const members = {
    alg: 'PS256',
    kid: tpp.identity.kid,
    [HEADER_IAT]: NOW_SECONDS - 1,
    [HEADER_ISS]: tpp.identity.iss,
    [HEADER_TAN]: TRUST_ANCHOR,
    crit: [HEADER_IAT, HEADER_ISS, HEADER_TAN],
    ...changes,
  };
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

/** A header of resources v3.1.2 and v3.1.3. */
export function unencodedHeader(changes: HeaderMembers = {}): HeaderMembers {
  return header({ b64: false, crit: ['b64', HEADER_IAT, HEADER_ISS, HEADER_TAN], ...changes });
}

/** What the verifier of the tests demands: the TPP's signature, now. */
export function expecting(changes: Partial<VerifyExpectations> = {}): VerifyExpectations {
  return {
    iss: tpp.identity.iss,
    trustAnchors: [TRUST_ANCHOR],
    nowSeconds: NOW_SECONDS,
    clockSkewSeconds: CLOCK_SKEW_SECONDS,
    typesAccepted: SIGNATURE_TYPES,
    unencodedPayloadAccepted: false,
    keys: tpp.keys,
    ...changes,
  };
}

/** A header as members, or as the very bytes of its segment. */
export type Header = HeaderMembers | Uint8Array;

/** One serialisation of a JWS, with a way to sign whatever header and payload, as the holder of the key can. */
export interface Form {
  readonly name: 'compact' | 'detached';
  forge(header: Header, body: Uint8Array, signing?: Signing): string;
  verify(jws: string, body: Uint8Array, expected?: VerifyExpectations): Promise<JoseHeader>;
}

const compact: Form = {
  name: 'compact',
  forge: (members, body, signing = pss()) => {
    const signingInput = `${headerSegment(members)}.${base64url(body)}`;
    return `${signingInput}.${base64url(signing(utf8(signingInput)))}`;
  },
  verify: async (jws, _body, expected = expecting()) => (await verifyCompact(jws, expected)).header,
};

const detached: Form = {
  name: 'detached',
  forge: (members, body, signing = pss()) => {
    const first = headerSegment(members);
    return `${first}..${base64url(signing(utf8(`${first}.${base64url(body)}`)))}`;
  },
  verify: (jws, body, expected = expecting()) => verifyDetached(jws, body, expected),
};

export const FORMS: readonly Form[] = [compact, detached];
export { compact, detached };

/** Signs the raw bytes of the body, as `b64: false` has it (RFC 7797). */
export function forgeUnencoded(members: Header, body: Uint8Array, signing: Signing = pss()): string {
  const first = headerSegment(members);
  return `${first}..${base64url(signing(concat(utf8(`${first}.`), body)))}`;
}

function headerSegment(members: Header): string {
  return base64url(members instanceof Uint8Array ? members : JSON.stringify(members));
}
