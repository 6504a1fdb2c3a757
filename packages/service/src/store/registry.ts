import type { AuditOf } from '../model/audit.ts';
import type { ChangeResult, Registration, RegistrationToDelete, RegistrationToStore } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';

/** TPPs and their registrations. */
export interface Registry {
  /**
   * Adds or changes a TPP. Suspending it ends its deliveries: claims are fenced. Resuming it makes its awaiting notifications
   * due, in a new round; a callback URL that was unresponsive stays so, and is probed.
   *
   * @param audit stored in the same transaction, as for every change below. When it throws, nothing is changed and the error
   *   is passed on: a caller uses this to make sure that what it read before has not changed
   */
  putTpp(tpp: Tpp, nowMs: number, audit?: AuditOf<Tpp>): Promise<void>;
  tpp(clientId: string): Promise<Tpp | undefined>;
  /** TPPs in the order of their client_id. @param after client_id to begin after; empty for the first */
  tpps(after: string, limit: number): Promise<readonly Tpp[]>;
  /** Removes a TPP and its registrations; awaiting notifications are withdrawn. @returns false when it is not known */
  removeTpp(clientId: string, nowMs: number, audit?: AuditOf<Tpp>): Promise<boolean>;

  /**
   * Creates the one registration of its kind that a TPP may have. An event subscription supersedes a callback URL and takes
   * over its awaiting notifications. A superseded callback URL has no effect on deliveries, and changes to it have none.
   */
  createRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<'created' | 'exists'>;
  /** The registrations of a TPP, at most one of each kind; the effective one is the first. */
  registrationsOf(clientId: string): Promise<readonly Registration[]>;
  /**
   * Replaces a registration. Its callback URL counts as responsive again, and awaiting notifications go to it in a new round,
   * without retry waits. Attempts under way to the same URL may finish; those to another URL are fenced. Existing
   * notifications keep their content whatever the new `EventTypes`. Creating a registration has the same effects.
   */
  replaceRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult>;
  /**
   * Deletes a registration. Awaiting notifications are withdrawn, unless another registration supersedes it. A callback URL
   * that it superseded becomes effective again, for events published from then on.
   */
  deleteRegistration(
    registration: RegistrationToDelete,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult>;
}
