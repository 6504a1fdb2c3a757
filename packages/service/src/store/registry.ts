import type { AuditOf } from '../model/audit.ts';
import type { ChangeResult, Registration, RegistrationToDelete, RegistrationToStore } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';

/** TPPs and their registrations. */
export interface Registry {
  /**
   * Adds or changes a TPP. Suspending it ends its deliveries: what is claimed is fenced. Taking that back makes what is
   * awaiting due, in a new round; a callback URL that was unresponsive is so still, and is probed.
   *
   * @param audit kept in the same transaction, as of every change below; undefined: nothing is. When it throws, nothing is
   *   changed, and the error is passed on: so a caller makes sure that what it read is still so
   */
  putTpp(tpp: Tpp, nowMs: number, audit?: AuditOf<Tpp>): Promise<void>;
  tpp(clientId: string): Promise<Tpp | undefined>;
  /** TPPs in the order of their client_id. @param after client_id to begin after; empty for the first */
  tpps(after: string, limit: number): Promise<readonly Tpp[]>;
  /** Removes a TPP and its registrations; what is awaiting is withdrawn. @returns false when it is not known */
  removeTpp(clientId: string, nowMs: number, audit?: AuditOf<Tpp>): Promise<boolean>;

  /**
   * Creates the one registration of its kind that a TPP may have. An event subscription supersedes a callback URL, whose
   * awaiting notifications it takes. A callback URL that is superseded has no effect on deliveries, whatever is done to it.
   */
  createRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<'created' | 'exists'>;
  /** The registrations of a TPP, at most one of each kind; the one that holds is the first. */
  registrationsOf(clientId: string): Promise<readonly Registration[]>;
  /**
   * Replaces a registration; its callback URL counts as responsive again, and what is awaiting goes to the new one, in a
   * new round and with no waits. What is under way to the same URL is left to finish, to another one is fenced.
   * Notifications that are made keep their content whatever the new `EventTypes`. Creating one does the same.
   */
  replaceRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult>;
  /**
   * Deletes a registration; what is awaiting is withdrawn, unless another one supersedes it. A callback URL that it
   * superseded is effective again, for events from then on.
   */
  deleteRegistration(
    registration: RegistrationToDelete,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): Promise<ChangeResult>;
}
