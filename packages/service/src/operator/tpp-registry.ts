import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../base/clock.ts';
import type { AuditActor, AuditEntry } from '../model/audit.ts';
import type { Tpp } from '../model/tpp.ts';
import type { Store } from '../store/store.ts';
import type { Observer } from '../telemetry/observer.ts';
import { JwksUnavailableError } from '../trust/jwks-cache.ts';
import {
  type SoftwareStatement,
  SoftwareStatementError,
  type SoftwareStatementVerifier,
} from '../trust/software-statement.ts';
import { deliveriesOf } from './delivery-state.ts';
import { Problem } from './problem.ts';
import {
  checkClientId,
  entityTagOf,
  type RegisteredTpp,
  type StatementFacts,
  scopesLeft,
  scopesOfRoles,
  type TppFacts,
  writeListedTpp,
  writeTpp,
} from './tpp-schemas.ts';

/** Dependencies of the registry. */
interface TppRegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly softwareStatements: SoftwareStatementVerifier | undefined;
  /** A change may have made notifications due. */
  readonly onChanged: (clientId: string) => void;
  /** Optional observer of callback URLs that an operator marked as recovered. */
  readonly observer?: Observer | undefined;
}

/** The operator who makes a change, and its log. */
export interface Operator {
  readonly name: string;
  /** Actor in the audit. */
  readonly audited: AuditActor;
  readonly log: {
    info(facts: object, message: string): void;
  };
}

/** Details of a change for log and audit. */
type Detail = AuditEntry['detail'];

/** The precondition of a change to a TPP (RFC 9110 section 13.1). */
export interface Preconditions {
  /** `If-Match`: the entity tag that it read. */
  readonly ifMatch: string | undefined;
  /** `If-None-Match: *`: that there is none yet. */
  readonly mustBeNew: boolean;
}

const NO_SUCH_TPP = 'There is no TPP with this client_id; register it, or import its software statement.';

const BUSY = 'This TPP is being changed concurrently; try again.';
const BUSY_RETRY_AFTER_SECONDS = 1;
const DIRECTORY_RETRY_AFTER_SECONDS = 30;
// Each round one of the concurrent changes succeeds, so this many may compete, across all instances.
const REPEATS_MAX = 20;

const NOT_UNRESPONSIVE = 'The TPP has no unresponsive callback URL to recover; see its "target".';

/**
 * Adds, changes, suspends and removes TPPs. Every change is in log and audit with the name of the operator. A change is stored
 * only if the TPP has not changed since it was read, and is otherwise decided again, so that no change is lost.
 */
export class TppRegistry {
  readonly #options: TppRegistryOptions;

  constructor(options: TppRegistryOptions) {
    this.#options = options;
  }

  /** @throws {Problem} 404 */
  find(clientId: string): Promise<Tpp> {
    return findTpp(this.#options.store, clientId);
  }

  /** A TPP for the operator, with how deliveries to it go. */
  async show(tpp: Tpp): Promise<RegisteredTpp> {
    return { ...writeTpp(tpp), ...(await deliveriesOf(tpp, this.#options.store)) };
  }

  /** Adds or replaces a TPP; a suspended TPP stays suspended. No effect if nothing differs. @throws {Problem} 412 */
  put(facts: TppFacts, preconditions: Preconditions, by: Operator): Promise<Tpp> {
    return this.#change(facts.clientId, async (before) => {
      checkPreconditions(before, preconditions);
      return this.#keep(before, facts, by, before === undefined ? 'added' : 'changed');
    });
  }

  /** Suspends or resumes a TPP. No effect if it is already in that state. @throws {Problem} 404 */
  setSuspended(clientId: string, isSuspended: boolean, by: Operator, detail: Detail = {}): Promise<Tpp> {
    return this.#change(clientId, async (before) => {
      if (before === undefined) throw new Problem(404, NO_SUCH_TPP);
      if ((before.isSuspended ?? false) === isSuspended) return before;
      const after = { ...before, isSuspended };
      await this.#store(before, after, isSuspended ? 'suspended' : 'resumed', by, detail);
      return after;
    });
  }

  /**
   * Makes the unresponsive callback URL of a TPP count as responsive, or has it probed now. Kept in the audit.
   *
   * @throws {Problem} 404, or 409 when there is none that is unresponsive
   */
  async recover(clientId: string, how: 'responsive' | 'probe-now', by: Operator): Promise<Tpp> {
    const { store, clock, onChanged, observer } = this.#options;
    const tpp = await this.find(clientId);
    const nowMs = clock.nowMs();
    const what = { action: `callback-url-${how}`, subject: clientId, detail: {}, before: { state: 'unresponsive' } };
    const after = how === 'responsive' ? { state: 'responsive' } : { state: 'unresponsive', isProbedNow: true };
    const audit = { ...by.audited, ...what, after, atMs: nowMs };
    if (!(await store.recover(clientId, how, nowMs, audit))) throw new Problem(409, NOT_UNRESPONSIVE);
    by.log.info({ operator: by.name, clientId, how }, 'callback URL marked as recovered');
    // A probe has no outcome yet: its acknowledgement is recorded when it comes.
    if (how === 'responsive') observer?.record({ kind: 'recovered', atMs: nowMs, clientId });
    onChanged(clientId);
    return tpp;
  }

  /** Removes a TPP with its registrations; awaiting notifications are withdrawn. @throws {Problem} 404 */
  async remove(clientId: string, by: Operator): Promise<void> {
    const { store, clock } = this.#options;
    const entry = { ...by.audited, atMs: clock.nowMs(), action: 'tpp-removed', subject: clientId, detail: {} };
    const audit = (before: Tpp | undefined): AuditEntry => ({ ...entry, ...(before && { before: audited(before) }) });
    if (!(await store.removeTpp(clientId, entry.atMs, audit))) throw new Problem(404, NO_SUCH_TPP);
    this.#note(by, clientId, 'removed');
  }

  /**
   * Verifies a software statement assertion and adds the TPP that it is about, or changes it. Ids and endpoints are the
   * statement's, and the scopes are those that its roles need unless others are given. The client_id is the software's id
   * unless another is given. What it does not say (subject, retry policy) stays as it was, unless a subject is given.
   *
   * @throws {Problem} 400, 501 where no directory is configured, or 503 while its keys are unavailable
   */
  async import(facts: StatementFacts, by: Operator): Promise<Tpp> {
    const statement = await this.#verify(facts.softwareStatement);
    const { organisationId, softwareStatementId, jwksUrl, revokedJwksUrl, roles } = statement;
    const scopes = facts.scopes ?? scopesOfRoles(roles);
    const clientId = facts.clientId ?? softwareStatementId;
    checkClientId(clientId);
    return this.#change(clientId, (before) => {
      const certificateSubject = facts.certificateSubject ?? before?.certificateSubject;
      const retry = before?.retry;
      const keys = { jwksUrl, ...(revokedJwksUrl !== undefined && { revokedJwksUrl }) };
      const after = { clientId, organisationId, softwareStatementId, ...keys, certificateSubject, scopes, retry };
      return this.#keep(before, after, by, 'imported');
    });
  }

  /**
   * Brings a TPP in line with a statement that the directory makes of it now: endpoints follow it, unless the keys are inline, and
   * scopes are taken away with the role that they need. None is given.
   *
   * @returns whether something changed; `no-role`: no scope would be left, and nothing is changed
   */
  follow(clientId: string, statement: SoftwareStatement, by: Operator): Promise<boolean | 'no-role'> {
    const { jwksUrl, revokedJwksUrl, roles } = statement;
    return this.#change(clientId, async (before) => {
      // It was removed meanwhile.
      if (before === undefined) return false;
      const scopes = scopesLeft(before.scopes, roles);
      if (scopes === 'no-role') return scopes;
      const { jwks, isSuspended: _, jwksUrl: __, revokedJwksUrl: ___, ...others } = before;
      const keys = jwks === undefined ? { jwksUrl, ...(revokedJwksUrl !== undefined && { revokedJwksUrl }) } : { jwks };
      const after = await this.#keep(before, { ...others, ...keys, scopes }, by, 'refreshed');
      return after !== before;
    });
  }

  async #verify(assertion: string) {
    const { softwareStatements } = this.#options;
    if (softwareStatements === undefined) {
      const why = 'Software statements cannot be verified here: no "directory" is configured';
      throw new Problem(501, `${why}; configure it, or register the TPP by its ids and keys.`);
    }
    try {
      return await softwareStatements.verify(assertion);
    } catch (error) {
      if (error instanceof JwksUnavailableError) {
        const why = `The keys of the directory are unavailable: ${error.message.replace(/\.$/, '')}`;
        throw new Problem(503, `${why}; try again, or check "directory.jwksUrl".`, {}, DIRECTORY_RETRY_AFTER_SECONDS);
      }
      if (!(error instanceof SoftwareStatementError)) throw error;
      const { code, claim } = error;
      const members = { field: 'softwareStatement', code, ...(claim !== undefined && { claim }) };
      throw new Problem(400, `softwareStatement is rejected: ${error.message.replace(/\.$/, '')}.`, members);
    }
  }

  /** @param change is given the TPP as it is; again when somebody else changed it before the change was kept */
  async #change<T>(clientId: string, change: (before: Tpp | undefined) => Promise<T>): Promise<T> {
    for (let repeats = 0; ; repeats += 1) {
      try {
        return await change(await this.#options.store.tpp(clientId));
      } catch (error) {
        if (!(error instanceof ChangedMeanwhile)) throw error;
        if (repeats === REPEATS_MAX) throw new Problem(503, BUSY, {}, BUSY_RETRY_AFTER_SECONDS);
      }
    }
  }

  async #keep(before: Tpp | undefined, facts: TppFacts, by: Operator, what: string): Promise<Tpp> {
    const after: Tpp = { ...facts, isSuspended: before?.isSuspended ?? false };
    const changed = changedFields(before, after);
    // A pipeline that puts the same each hour changes nothing, and would fill the audit with that.
    if (before !== undefined && changed.length === 0) return before;
    await this.#store(before, after, what, by, { changed });
    return after;
  }

  /**
   * Keeps a TPP with its entry in the audit, both or neither; then tells log and engine.
   *
   * @throws {ChangedMeanwhile} and nothing is kept
   */
  async #store(before: Tpp | undefined, after: Tpp, what: string, by: Operator, detail: Detail = {}): Promise<void> {
    const { store, clock } = this.#options;
    const entry = { ...by.audited, atMs: clock.nowMs(), action: `tpp-${what}`, subject: after.clientId, detail };
    await store.putTpp(after, entry.atMs, (was) => {
      // The store says what is there within the transaction: another instance may have changed it since it was read here.
      if (!isDeepStrictEqual(was, before)) throw new ChangedMeanwhile();
      return { ...entry, ...(was && { before: audited(was) }), after: audited(after) };
    });
    this.#note(by, after.clientId, what, detail);
  }

  /** Tells log and engine of a change that is kept. */
  #note(by: Operator, clientId: string, what: string, detail: Detail = {}): void {
    by.log.info({ operator: by.name, clientId, ...detail }, `TPP ${what}`);
    this.#options.onChanged(clientId);
  }
}

/** @throws {Problem} 404 */
export async function findTpp(store: Pick<Store, 'tpp'>, clientId: string): Promise<Tpp> {
  const tpp = await store.tpp(clientId);
  if (tpp === undefined) throw new Problem(404, NO_SUCH_TPP);
  return tpp;
}

/** Someone else changed the TPP between reading and storing it. */
class ChangedMeanwhile extends Error {
  override readonly name = 'ChangedMeanwhile';
}

/** A TPP in the audit: of its keys only the kids. */
function audited(tpp: Tpp): Readonly<Record<string, unknown>> {
  return { ...writeListedTpp(tpp) };
}

function checkPreconditions(before: Tpp | undefined, { ifMatch, mustBeNew }: Preconditions): void {
  if (mustBeNew && before !== undefined) {
    throw new Problem(412, 'A TPP with this client_id is already registered.');
  }
  if (ifMatch === undefined || (before !== undefined && (ifMatch === '*' || ifMatch === entityTagOf(before)))) return;
  throw new Problem(412, 'The TPP was changed since you read it; read it again and repeat the change.');
}

const FIELDS = [
  ...(['organisationId', 'softwareStatementId', 'jwks', 'jwksUrl', 'revokedJwksUrl'] as const),
  ...(['certificateSubject', 'scopes', 'retry'] as const),
] as const;

function changedFields(before: Tpp | undefined, after: Tpp): string[] {
  return FIELDS.filter((field) => JSON.stringify(before?.[field]) !== JSON.stringify(after[field]));
}
