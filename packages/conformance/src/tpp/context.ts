import type { Clock } from '../clock.ts';
import type { Bank, BankKey } from './bank.ts';
import type { TppConfig } from './config.ts';
import type { Answer, Endpoint } from './endpoint.ts';

/** The JWKS that the runner serves, where the configuration says so. */
export interface BankJwks {
  readonly url: string;
  /** A second signing key, which is in the JWKS from the beginning. */
  readonly second: BankKey;
  /** A key of the JWKS whose `use` is `enc`. */
  readonly encryption: BankKey;
  /** Adds a third signing key. */
  addKey(): BankKey;
  /** Requests so far, to any path. */
  requestCount(): number;
  /** A URL of the same server that the TPP has no reason to call. */
  readonly baitUrl: string;
  /** Requests so far to {@link baitUrl}. */
  baitCount(): number;
}

/** The surroundings of a check of a callback URL. */
export interface TppContext {
  readonly config: TppConfig;
  readonly bank: Bank;
  readonly endpoint: Endpoint;
  /** Undefined: the TPP has the keys from elsewhere. */
  readonly jwks: BankJwks | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The response to one good notification, sent once in a run: where it is refused, other refusals prove nothing. */
  baseline(): Promise<Answer>;
}
