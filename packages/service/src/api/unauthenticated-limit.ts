import { ApiError } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import { LruMap } from '../base/lru-map.ts';
import { RateLimit } from './rate-limit.ts';
import { RateLimited } from './respond.ts';

const KNOWN_MAX = 10_000;

/** Origin of an attempt, as far as the connection shows it. */
export interface Attempt {
  /** SHA-256 of the client certificate; undefined if there is none. */
  readonly thumbprint: string | undefined;
  /** Remote address; undefined if many callers share it, as behind a gateway. */
  readonly network: string | undefined;
}

/**
 * Bounds the work that unauthenticated callers can cause, by certificate and by address. Each attempt is counted before
 * anything is verified, so that concurrent attempts count too. The count is returned if the caller is authenticated, or if
 * the failure is not the caller's. A certificate that authenticated before is exempt from the limit of its address.
 */
export class UnauthenticatedLimit {
  readonly #byCertificate: RateLimit;
  readonly #byNetwork: RateLimit;
  readonly #known = new LruMap<string, object>(KNOWN_MAX);

  constructor(perMinute: { readonly perCertificateMax: number; readonly perAddressMax: number }, clock: Clock) {
    this.#byCertificate = new RateLimit(perMinute.perCertificateMax, clock);
    this.#byNetwork = new RateLimit(perMinute.perAddressMax, clock);
  }

  /**
   * Authenticates within the limits.
   *
   * @throws {RateLimited} before `authenticate` is called; otherwise whatever `authenticate` throws, of which TokenInvalid
   *   and Forbidden count against the caller
   */
  async attempt<T>({ thumbprint, network }: Attempt, authenticate: () => Promise<T>): Promise<T> {
    const giveBack = this.#take(thumbprint, network);
    try {
      const authenticated = await authenticate();
      if (thumbprint !== undefined) this.#known.set(thumbprint, {});
      giveBack();
      return authenticated;
    } catch (error) {
      const isOfCaller = error instanceof ApiError && (error.code === 'TokenInvalid' || error.code === 'Forbidden');
      if (!isOfCaller) giveBack();
      throw error;
    }
  }

  #take(thumbprint: string | undefined, network: string | undefined): () => void {
    const isKnown = thumbprint !== undefined && this.#known.get(thumbprint) !== undefined;
    const counted = [
      { limit: this.#byCertificate, key: thumbprint },
      { limit: this.#byNetwork, key: isKnown ? undefined : network },
    ];
    const taken: (() => void)[] = [];
    const giveBack = () => {
      for (const each of taken) each();
    };
    for (const { limit, key } of counted) {
      if (key === undefined) continue;
      const retryAfterSeconds = limit.take(key);
      if (retryAfterSeconds !== undefined) {
        giveBack();
        throw new RateLimited(retryAfterSeconds, 'too many attempts without a valid token in a minute');
      }
      taken.push(() => limit.giveBack(key));
    }
    return giveBack;
  }
}
