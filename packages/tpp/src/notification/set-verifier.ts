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
  /** Milliseconds since the epoch. Default: the machine's clock. */
  now?(): number;
}

const TRUST_ANCHORS: readonly string[] = ['openbanking.org.uk'];
const CLOCK_SKEW_SECONDS = 60;

/**
 * Verifies a SET and parses its claims (rules, sections 3 and 5). Does not detect duplicates.
 *
 * @throws {NotificationError} with a code of RFC 8935, or keys_unavailable
 */
export async function verifiedClaims(set: string, options: SetVerification): Promise<SetClaims> {
  const expected: SetExpectations = {
    issuer: options.issuer,
    signer: options.signer,
    audience: options.clientId,
    keys: options.keys,
    trustAnchors: options.trustAnchors ?? TRUST_ANCHORS,
    clockSkewSeconds: options.clockSkewSeconds ?? CLOCK_SKEW_SECONDS,
    typesAccepted: options.typesAccepted ?? SET_TYPES_ACCEPTED,
    nowSeconds: (options.now ?? systemNowMs)() / 1000,
  };
  try {
    return (await verifySet(set, expected)).claims;
  } catch (cause) {
    if (cause instanceof SetError) throw new NotificationError(cause.code, cause.message);
    throw new NotificationError('keys_unavailable', keysFailure(cause), { cause });
  }
}
