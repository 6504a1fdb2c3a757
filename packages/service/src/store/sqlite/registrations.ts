import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { type CallbackUrlState, callbackUrlStateOf, deliveryStateOf } from '../../model/callback-url.ts';
import type { Target } from '../../model/notification.ts';
import type {
  ChangeResult,
  Registration,
  RegistrationKind,
  RegistrationsOfTpp,
  RegistrationToDelete,
  RegistrationToStore,
} from '../../model/registration.ts';
import type { Tpp } from '../../model/tpp.ts';
import type { DeliveryStates } from '../operations.ts';
import {
  EFFECTIVE_FIRST,
  mayChange,
  orReplace,
  REGISTRATION_COLUMNS,
  registrationRowOf,
  registrationsOf,
  TPP_COLUMNS,
  text,
  tppOf,
  tppRowOf,
} from '../rows.ts';
import { insertInto } from './open.ts';
import type { TargetState, TargetTable } from './targets.ts';
import type { UndoLog } from './write-queue.ts';

const PUT_TPP = `${insertInto('tpp', TPP_COLUMNS)} ${orReplace(TPP_COLUMNS, 'client_id')}`;
const PUT_REGISTRATION = `${insertInto('registration', REGISTRATION_COLUMNS)}
  ${orReplace(REGISTRATION_COLUMNS, 'client_id, kind')}`;

// TPPs that are kept in memory; a large bank has a few hundred.
const KNOWN_MAX = 1000;

/** The part of a TPP that fan-out and delivery need. */
export interface Known {
  readonly tpp: Tpp | undefined;
  /** The effective one. */
  readonly registration: Registration | undefined;
  /** Where its notifications are sent now; undefined when nowhere. */
  readonly target: Target | undefined;
  /** That everything above was made of. */
  readonly state: TargetState;
}

/** SQL of TPPs and their registrations. */
export class RegistrationTables {
  readonly #database: DatabaseSync;
  readonly #states: TargetTable;
  readonly #select: StatementSync;
  readonly #selectTpp: StatementSync;
  readonly #known = new Map<string, Known>();

  constructor(database: DatabaseSync, states: TargetTable, undo: UndoLog) {
    this.#database = database;
    this.#states = states;
    this.#selectTpp = database.prepare(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id = ?`);
    this.#select = database.prepare(
      `SELECT ${REGISTRATION_COLUMNS} FROM registration WHERE client_id = ? ORDER BY ${EFFECTIVE_FIRST}`,
    );
    undo.onRollBack(() => this.#known.clear());
  }

  /** Looks up a TPP; cheap when that was done before. */
  lookUp(clientId: string): Known {
    const state = this.#states.of(clientId);
    const known = this.#known.get(clientId);
    if (known?.state === state) return known;
    const isStale = known === undefined || known.state.unresponsiveSinceMs !== state.unresponsiveSinceMs;
    const tpp = known === undefined ? this.tpp(clientId) : known.tpp;
    const registration = isStale ? this.registrationsOf(clientId)[0] : known.registration;
    const fresh = { tpp, registration, target: targetOf(clientId, tpp, registration, state), state };
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.set(clientId, fresh);
    return fresh;
  }

  targetOf(clientId: string): Target | undefined {
    return this.lookUp(clientId).target;
  }

  targets(after: string, limit: number, only?: CallbackUrlState): Target[] {
    const targets: Target[] = [];
    for (const clientId of this.#registered(after)) {
      if (targets.length === limit) break;
      const target = this.targetOf(clientId);
      if (target === undefined) continue;
      const state = callbackUrlStateOf(target);
      if ((only ?? state) === state) targets.push(target);
    }
    return targets;
  }

  /** TPPs that registered something, in the order of their client_id. */
  registrations(after: string, limit: number): RegistrationsOfTpp[] {
    const found: RegistrationsOfTpp[] = [];
    for (const clientId of this.#registered(after)) {
      if (found.length === limit) break;
      const { tpp, target } = this.lookUp(clientId);
      const isSuspended = tpp?.isSuspended === true;
      found.push({ clientId, isSuspended, registrations: this.registrationsOf(clientId), target });
    }
    return found;
  }

  /** client_ids, in their order, as they are asked for. */
  *#registered(after: string): Generator<string> {
    const next = this.#database.prepare('SELECT min(client_id) AS client_id FROM registration WHERE client_id > ?');
    for (let client = after; ; ) {
      const row = next.get(client);
      if (row === undefined || row['client_id'] === null) return;
      client = text(row, 'client_id');
      yield client;
    }
  }

  /** Callback URLs that are failing or unresponsive, in no particular order. */
  troubled(): Target[] {
    return this.#states.troubled().flatMap((clientId) => this.targetOf(clientId) ?? []);
  }

  /** TPPs that registered something, by the state of their deliveries. */
  deliveryStates(): DeliveryStates {
    const counts = { healthy: 0, failing: 0, unresponsive: 0, suspended: 0, 'polling-only': 0, 'no-registration': 0 };
    for (const clientId of this.#registered('')) {
      const { tpp, target } = this.lookUp(clientId);
      counts[deliveryStateOf({ isSuspended: tpp?.isSuspended === true, hasRegistration: true, target })] += 1;
    }
    const { 'no-registration': _, ...registered } = counts;
    return registered;
  }

  tpp(clientId: string): Tpp | undefined {
    const row = this.#selectTpp.get(clientId);
    return row && tppOf(row);
  }

  tpps(after: string, limit: number): Tpp[] {
    return this.#database
      .prepare(`SELECT ${TPP_COLUMNS} FROM tpp WHERE client_id > ? ORDER BY client_id LIMIT ?`)
      .all(after, limit)
      .map(tppOf);
  }

  putTpp(tpp: Tpp): void {
    this.#database.prepare(PUT_TPP).run({ ...tppRowOf(tpp), is_suspended: tpp.isSuspended === true ? 1 : 0 });
    this.#known.delete(tpp.clientId);
  }

  /** With its registrations. */
  removeTpp(clientId: string): boolean {
    this.#database.prepare('DELETE FROM registration WHERE client_id = ?').run(clientId);
    this.#known.delete(clientId);
    return this.#database.prepare('DELETE FROM tpp WHERE client_id = ?').run(clientId).changes !== 0;
  }

  /** The effective one is the first. */
  registrationsOf(clientId: string): Registration[] {
    return registrationsOf(this.#select.all(clientId), this.#states.of(clientId).unresponsiveSinceMs);
  }

  registrationOf(clientId: string, kind: RegistrationKind): Registration | undefined {
    return this.registrationsOf(clientId).find((one) => one.kind === kind);
  }

  mayChange({ kind, clientId, id, through }: RegistrationToDelete): ChangeResult {
    const row = this.#database.prepare('SELECT client_id, api_version FROM registration WHERE kind = ? AND id = ?');
    return mayChange(row.get(kind, id), clientId, through);
  }

  /** Creates or replaces. */
  put(registration: RegistrationToStore): void {
    this.#database.prepare(PUT_REGISTRATION).run(registrationRowOf(registration));
    this.#known.delete(registration.clientId);
  }

  delete(clientId: string, kind: RegistrationKind): void {
    this.#database.prepare('DELETE FROM registration WHERE client_id = ? AND kind = ?').run(clientId, kind);
    this.#known.delete(clientId);
  }
}

/** Where notifications are sent: nowhere while the TPP is suspended, only polls, or is not registered. */
function targetOf(
  clientId: string,
  tpp: Tpp | undefined,
  registration: Registration | undefined,
  state: TargetState,
): Target | undefined {
  if (tpp?.isSuspended === true) return undefined;
  const callbackUrl = registration?.callbackUrl;
  if (callbackUrl === undefined) return undefined;
  const { round: _, ...health } = state;
  return { clientId, callbackUrl, retry: tpp?.retry, ...health };
}
