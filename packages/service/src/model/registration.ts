import type { ApiVersion } from '@tidings/protocol';
import type { Target } from './notification.ts';

/** The two kinds of registration. A TPP has at most one of each; an event subscription supersedes a callback URL. */
export type RegistrationKind = 'event-subscription' | 'callback-url';

/** A registration of a TPP with what the service knows about it. */
export interface Registration {
  readonly kind: RegistrationKind;
  readonly clientId: string;
  /** Its EventSubscriptionId or CallbackUrlId. */
  readonly id: string;
  /** The version of the API that it was created or last replaced through. */
  readonly apiVersion: ApiVersion;
  /** Minimum version of the resources that it wants events about. */
  readonly version: string;
  /** Undefined: an event subscription that only polls. */
  readonly callbackUrl: string | undefined;
  /** As the TPP sent them; undefined: all that it may have. A callback URL has none. */
  readonly eventTypes: readonly string[] | undefined;
  /**
   * Since when its callback URL is past a limit of the retry policy; undefined while it is responsive, and while another
   * registration supersedes it.
   */
  readonly unresponsiveSinceMs: number | undefined;
}

/** A new or replaced registration. */
export type RegistrationToStore = Omit<Registration, 'unresponsiveSinceMs'>;

/** Which registration is to be deleted, by which TPP and through which version of the API. */
export interface RegistrationToDelete extends Pick<Registration, 'kind' | 'clientId' | 'id'> {
  readonly through: ApiVersion;
}

/** The result of a change to a registration. A registration of v4.0 cannot be changed through v3.1. */
export type ChangeResult = 'changed' | 'unknown' | 'of-another-tpp' | 'of-newer-version';

/** The registrations of one TPP: of one of the two kinds, or both. */
export interface RegistrationsOfTpp {
  readonly clientId: string;
  readonly isSuspended: boolean;
  /** The one that holds is the first. */
  readonly registrations: readonly Registration[];
  /** Where its notifications are pushed; undefined when nowhere. */
  readonly target: Target | undefined;
}
