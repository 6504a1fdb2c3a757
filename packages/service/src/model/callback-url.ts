import type { Target } from './notification.ts';

/** The states of a callback URL that notifications are pushed to. */
export const CALLBACK_URL_STATES = ['healthy', 'failing', 'unresponsive'] as const;
export type CallbackUrlState = (typeof CALLBACK_URL_STATES)[number];

/** The states of a TPP's deliveries: those of its callback URL, and why there is none. */
export const DELIVERY_STATES = [...CALLBACK_URL_STATES, 'suspended', 'polling-only', 'no-registration'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/**
 * The state of a callback URL. Pure, and the only place that decides it.
 *
 * - `unresponsive`: a limit of the retry policy was reached; only probes are sent.
 * - `failing`: attempts failed since its last acknowledgement. A breaker opens only after such failures, and an acknowledgement
 *   closes it, so that a callback URL whose attempts pause is failing.
 * - `healthy`: neither; nothing may have been sent yet.
 */
export function callbackUrlStateOf(target: Pick<Target, 'unresponsiveSinceMs' | 'failingSinceMs'>): CallbackUrlState {
  if (target.unresponsiveSinceMs !== undefined) return 'unresponsive';
  return target.failingSinceMs === undefined ? 'healthy' : 'failing';
}

/** Facts that decide the state of a TPP's deliveries. */
export interface DeliveryFacts {
  readonly isSuspended: boolean;
  /** Whether an event subscription or a callback URL is registered. */
  readonly hasRegistration: boolean;
  /** Undefined: notifications are pushed nowhere. */
  readonly target: Pick<Target, 'unresponsiveSinceMs' | 'failingSinceMs'> | undefined;
}

/** The state of a TPP's deliveries; pure. */
export function deliveryStateOf({ isSuspended, hasRegistration, target }: DeliveryFacts): DeliveryState {
  if (isSuspended) return 'suspended';
  if (target !== undefined) return callbackUrlStateOf(target);
  return hasRegistration ? 'polling-only' : 'no-registration';
}
