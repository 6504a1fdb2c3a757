import {
  type KeySource,
  SET_TYPES_ACCEPTED,
  type SetClaims,
  SetError,
  type SetExpectations,
  verifySet,
} from '@tidings/protocol';
import { systemNowMs } from '../clock.ts';
import { keysFailure } from '../net/remote-keys.ts';
import { NotificationError } from './notification-error.ts';

/** Expectations of a TPP about a bank's SETs; the same for the receiver and the poller. */
export interface SetVerification {
  /** `iss` claim: the URI of the ASPSP. */
  readonly issuer: string;
  /** `iss` of the JOSE header: the organisation id of the ASPSP, or the subject DN of its eIDAS certificate. */
  readonly signer: string;
  /** `aud` claim: the TPP's own client_id. */
  readonly clientId: string;
  /** Signing keys of the ASPSP, from `remoteKeys` or `importSigningKeys`. */
  readonly keys: KeySource;
  /** DNS names accepted as `tan`. Default `['openbanking.org.uk']`. */
  readonly trustAnchors?: readonly string[];
  /** How far times in the token may be in the future. Default 60. */
  readonly clockSkewSeconds?: number;
  /** Accepted values of `typ`, which may also be absent. Default `JOSE`, `JWT`, `secevent+jwt`. */
  readonly typesAccepted?: readonly string[];
  /** Mistakes of this bank that are accepted. Default: none. See {@link Tolerance}. */
  readonly tolerate?: readonly Tolerance[];
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
}

/**
 * A mistake of a bank that a TPP may accept, because no security depends on it:
 *
 * - `other-typ`: `typ` of the JOSE header is any text, such as `at+jwt`. The standard lets it be absent or `JOSE`; `JWT` and
 *   `secevent+jwt` are accepted without this.
 * - `fractional-times`: `iat` and `toe` of the claims have a fraction, which is cut off. The standard wants whole seconds.
 *
 * None is for algorithms, signatures, keys, `crit`, `iss` or `aud`. A `typ` that is absent, a fraction in the
 * `http://openbanking.org.uk/iat` of the JOSE header, and a resource type in the plural are always accepted.
 */
export type Tolerance = 'other-typ' | 'fractional-times';

const TOLERANCES: readonly Tolerance[] = ['other-typ', 'fractional-times'];
const TRUST_ANCHORS: readonly string[] = ['openbanking.org.uk'];
const CLOCK_SKEW_SECONDS = 60;

/** Checks what TypeScript does not check for JavaScript. @throws {TypeError} that names an unknown tolerance */
export function checkTolerances(names: readonly string[] = []): readonly Tolerance[] {
  return names.map(
    (name) =>
      TOLERANCES.find((each) => each === name) ??
      failWith(`tolerate: there is no ${JSON.stringify(name)}; use ${TOLERANCES.join(' or ')}`),
  );
}

function failWith(message: string): never {
  throw new TypeError(message);
}

/**
 * Verifies a SET and parses its claims (rules, sections 3 and 5). Does not detect duplicates.
 *
 * @throws {NotificationError} with a code of RFC 8935, or keys_unavailable
 */
export async function verifiedClaims(set: string, options: SetVerification): Promise<SetClaims> {
  const tolerates = (each: Tolerance) => options.tolerate?.includes(each) === true;
  const expected: SetExpectations = {
    issuer: options.issuer,
    signer: options.signer,
    audience: options.clientId,
    keys: options.keys,
    trustAnchors: options.trustAnchors ?? TRUST_ANCHORS,
    clockSkewSeconds: options.clockSkewSeconds ?? CLOCK_SKEW_SECONDS,
    typesAccepted: tolerates('other-typ') ? 'any' : (options.typesAccepted ?? SET_TYPES_ACCEPTED),
    fractionalTimesAccepted: tolerates('fractional-times'),
    nowSeconds: (options.now ?? systemNowMs)() / 1000,
  };
  try {
    return (await verifySet(set, expected)).claims;
  } catch (cause) {
    if (cause instanceof SetError) throw new NotificationError(cause.code, cause.message);
    throw new NotificationError('keys_unavailable', keysFailure(cause), { cause });
  }
}
