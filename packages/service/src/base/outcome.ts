/** Why no answer came from a callback URL. */
export type UnreachableClass =
  | 'dns'
  /** The host leads to an address, or the URL has a port, that callback URLs may not have: nothing was sent. */
  | 'forbidden-address'
  | 'connect'
  | 'tls'
  | 'timeout'
  | 'reset'
  | 'oversized'
  | 'malformed';

/** The outcome of an attempt. A refused delivery is data, not an exception. */
export type Outcome =
  /** Only 202 acknowledges. A TPP that does not echo the interaction id has still acknowledged; the breach is kept. */
  | {
      readonly kind: 'acknowledged';
      readonly status: 202;
      readonly interactionIdEchoed: boolean;
      /** The value returned instead, cut to 64 characters; undefined: none, or the echo is right. */
      readonly interactionIdReturned?: string;
    }
  /** `retryAfterMs`: what a 429 or 503 asked for. */
  | { readonly kind: 'refused'; readonly status: number; readonly retryAfterMs?: number }
  | { readonly kind: 'unreachable'; readonly errorClass: UnreachableClass; readonly detail: string };
