import { isDeepStrictEqual } from 'node:util';
import type { AuditEntry, AuditOf } from '../../model/audit.ts';
import type {
  ChangeResult,
  Registration,
  RegistrationKind,
  RegistrationToDelete,
  RegistrationToStore,
} from '../../model/registration.ts';
import type { Tpp } from '../../model/tpp.ts';
import type { AuditTable } from './audit.ts';
import type { EndingWaits, WithdrawingTable } from './backlogs.ts';
import type { Clients } from './claim-queue.ts';
import type { RegistrationTables } from './registrations.ts';
import type { TargetTable } from './targets.ts';

/** Dependencies of changes to a TPP. */
export interface RetargetingDependencies {
  readonly registrations: RegistrationTables;
  readonly states: TargetTable;
  readonly clients: Clients;
  readonly audit: AuditTable;
  readonly withdrawing: WithdrawingTable;
  readonly endingWaits: EndingWaits;
}

/**
 * Changes of TPPs, of their registrations and of the health of their callback URLs, with the effect of each on awaiting
 * notifications. Must run inside a transaction.
 */
export class Retargeting {
  readonly #dependencies: RetargetingDependencies;

  constructor(dependencies: RetargetingDependencies) {
    this.#dependencies = dependencies;
  }

  /** @returns whether deliveries are affected */
  putTpp(tpp: Tpp, audit?: AuditOf<Tpp>): boolean {
    const { registrations, states } = this.#dependencies;
    const { clientId } = tpp;
    this.#keep(audit, () => registrations.tpp(clientId));
    const before = registrations.targetOf(clientId);
    registrations.putTpp(tpp);
    const after = registrations.targetOf(clientId);
    if (after?.callbackUrl === before?.callbackUrl) return !isDeepStrictEqual(after?.retry, before?.retry);
    this.#moveAway(clientId);
    if (after !== undefined) this.#startOver(clientId, () => states.beginRound(clientId));
    return true;
  }

  removeTpp(clientId: string, nowMs: number, audit?: AuditOf<Tpp>): boolean {
    const { registrations, states } = this.#dependencies;
    const before = registrations.tpp(clientId);
    if (before !== undefined) this.#keep(audit, () => before);
    this.#dependencies.withdrawing.begin(clientId, nowMs);
    states.remove(clientId);
    return registrations.removeTpp(clientId);
  }

  createRegistration(
    registration: RegistrationToStore,
    nowMs: number,
    audit?: AuditOf<Registration>,
  ): 'created' | 'exists' {
    const { clientId, kind } = registration;
    if (this.#dependencies.registrations.registrationOf(clientId, kind) !== undefined) return 'exists';
    this.#keep(audit, () => undefined);
    this.#put(registration, nowMs);
    return 'created';
  }

  replaceRegistration(registration: RegistrationToStore, nowMs: number, audit?: AuditOf<Registration>): ChangeResult {
    const { registrations } = this.#dependencies;
    const { clientId, kind, apiVersion } = registration;
    const found = registrations.mayChange({ ...registration, through: apiVersion });
    if (found !== 'changed') return found;
    this.#keep(audit, () => registrations.registrationOf(clientId, kind));
    this.#put(registration, nowMs);
    return found;
  }

  deleteRegistration(registration: RegistrationToDelete, nowMs: number, audit?: AuditOf<Registration>): ChangeResult {
    const { registrations, withdrawing } = this.#dependencies;
    const { clientId, kind } = registration;
    const found = registrations.mayChange(registration);
    if (found !== 'changed') return found;
    this.#keep(audit, () => registrations.registrationOf(clientId, kind));
    const deletion = () => registrations.delete(clientId, kind);
    if (this.#isSuperseded(clientId, kind)) deletion();
    else {
      // A callback URL that becomes effective now gets none of it.
      withdrawing.begin(clientId, nowMs);
      this.#changeEffective(clientId, nowMs, deletion);
    }
    return found;
  }

  recover(clientId: string, how: 'responsive' | 'probe-now', nowMs: number, audit: AuditEntry): boolean {
    const { registrations, states } = this.#dependencies;
    if (registrations.targetOf(clientId)?.unresponsiveSinceMs === undefined) return false;
    if (how === 'responsive') this.startNewRound(clientId, nowMs);
    else states.probeNow(clientId, nowMs);
    this.#dependencies.audit.add(audit);
    return true;
  }

  /** Of a change that is about to be made. */
  #keep<T>(audit: AuditOf<T> | undefined, before: () => T | undefined): void {
    const entry = audit?.(before());
    if (entry !== undefined) this.#dependencies.audit.add(entry);
  }

  /** A callback URL is responsive again: the retry policy restarts for all that is awaiting. */
  startNewRound(clientId: string, nowMs: number): void {
    this.#startOver(clientId, () => this.#dependencies.states.recover(clientId, nowMs));
  }

  /** Creates or replaces; awaiting notifications follow it, if it is effective. */
  #put(registration: RegistrationToStore, nowMs: number): void {
    const { clientId, kind } = registration;
    const change = () => this.#dependencies.registrations.put(registration);
    if (this.#isSuperseded(clientId, kind)) change();
    else this.#startOver(clientId, () => this.#changeEffective(clientId, nowMs, change));
  }

  /** A callback URL that an event subscription supersedes has no effect on deliveries. */
  #isSuperseded(clientId: string, kind: RegistrationKind): boolean {
    if (kind === 'event-subscription') return false;
    return this.#dependencies.registrations.registrationOf(clientId, 'event-subscription') !== undefined;
  }

  /**
   * Runs a change after which another registration is effective, or none. Its callback URL counts as responsive, even if it is
   * the same one; attempts under way to the same URL may finish.
   */
  #changeEffective(clientId: string, nowMs: number, change: () => void): void {
    const { registrations, states } = this.#dependencies;
    const before = registrations.targetOf(clientId);
    change();
    const after = registrations.targetOf(clientId);
    if (before?.callbackUrl !== after?.callbackUrl) this.#moveAway(clientId);
    const wasUnresponsive = states.of(clientId).unresponsiveSinceMs !== undefined;
    if (wasUnresponsive) states.recover(clientId, nowMs);
    else states.beginRound(clientId);
    states.forgetAttempts(clientId);
  }

  /** Fences attempts under way to a URL that is no longer the TPP's. */
  #moveAway(clientId: string): void {
    const { clients } = this.#dependencies;
    clients.freeAllLeases(clients.get(clientId));
  }

  #startOver(clientId: string, begin: () => void): void {
    begin();
    this.#dependencies.endingWaits.begin(clientId, this.#dependencies.states.of(clientId).round);
  }
}
