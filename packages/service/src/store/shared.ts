import { type HealthChange, type HealthTurn, healthChangeOf } from '../model/attempt-health.ts';
import type { AuditEntry } from '../model/audit.ts';
import type { BankEvent, FanOut, NoNotificationReason } from '../model/event.ts';
import type { ClaimedNotification, Target } from '../model/notification.ts';
import type { AttemptRecord, PublishOutcome, PublishResult, RecordResult, ReserveOptions } from './delivery.ts';
import { optionalText, type Row, text } from './rows.ts';

/** No TPPs. */
export const NOBODY: ReadonlySet<string> = new Set();

/** A poll makes at least so many notifications available again that were offered before; the next poll continues. */
export const REOFFERS_PER_POLL_MIN = 1000;

/** A TPP that reports the same notification over and over must not fill the disk. */
export const ERRORS_PER_NOTIFICATION_MAX = 20;

// Longer than any ramp: after it the number of claims since the recovery is not needed.
const COUNTED_AFTER_RECOVERY_MS = 3_600_000;

/** Whether claims for a target are counted, because it may still be ramping up. */
export function isCounted({ recoveredAtMs }: Pick<Target, 'recoveredAtMs'>, nowMs: number): boolean {
  return recoveredAtMs !== undefined && nowMs - recoveredAtMs <= COUNTED_AFTER_RECOVERY_MS;
}

/** The outcome of an event that is published for the first time. */
export function freshOutcome(eventId: string, fanOut: FanOut): PublishOutcome {
  if (fanOut.kind === 'none') return { eventId, repeated: false, kind: 'none', reason: fanOut.reason };
  return { eventId, repeated: false, kind: 'notification', jti: fanOut.claims.jti };
}

/** The outcome of an event that was published before, from its row. */
export function repeatedOutcome(eventId: string, row: Row): PublishOutcome {
  const jti = optionalText(row, 'jti');
  if (jti !== undefined) return { eventId, repeated: true, kind: 'notification', jti };
  return { eventId, repeated: true, kind: 'none', reason: text(row, 'none_reason') as NoNotificationReason };
}

/** The notifications that one publication claims for its reservation. */
export class ReservedClaims {
  readonly claimed: ClaimedNotification[] = [];
  readonly #options: ReserveOptions | undefined;
  readonly #nowMs: number;
  /** How many more each TPP has capacity for. */
  readonly #capacities = new Map<string, number>();

  constructor(options: ReserveOptions | undefined, nowMs: number) {
    this.#options = options;
    this.#nowMs = nowMs;
  }

  /** When the leases run out. */
  get leasedUntilMs(): number {
    return this.#nowMs + (this.#options?.leaseMs ?? 0);
  }

  /** Whether there is capacity for one more of a target; its capacity is asked for once. */
  hasCapacityFor(target: Target): boolean {
    if (this.#options === undefined || target.unresponsiveSinceMs !== undefined) return false;
    if (this.claimed.length >= this.#options.limit) return false;
    const capacity = this.#capacities.get(target.clientId) ?? this.#options.capacityFor(target);
    this.#capacities.set(target.clientId, capacity);
    return capacity > 0;
  }

  add(
    { claims, set, traceContext }: Pick<ClaimedNotification, 'claims' | 'set' | 'traceContext'>,
    { clientId, callbackUrl, retry }: Target,
    { round, leaseToken }: Pick<ClaimedNotification, 'round' | 'leaseToken'>,
  ): void {
    this.#capacities.set(clientId, (this.#capacities.get(clientId) ?? 0) - 1);
    this.claimed.push({
      jti: claims.jti,
      clientId,
      callbackUrl,
      claims,
      set,
      publishedAtMs: this.#nowMs,
      attempts: 0,
      round,
      roundAttempts: 0,
      roundBeganAtMs: undefined,
      traceContext,
      retry,
      probe: undefined,
      leaseToken,
    });
  }
}

/** The TPPs that an event made a notification for. */
export function newlyNotified(events: readonly BankEvent[], result: PublishResult): ReadonlySet<string> {
  const clientIds = new Set<string>();
  if (result.kind === 'conflict') return clientIds;
  for (const [at, { clientId }] of events.entries()) {
    const outcome = result.outcomes[at];
    if (outcome?.kind === 'notification' && !outcome.repeated) clientIds.add(clientId);
  }
  return clientIds;
}

/** The TPPs whose callback URL turned unresponsive or recovered. */
export function changedTargets(
  records: readonly AttemptRecord[],
  results: readonly RecordResult[],
): ReadonlySet<string> {
  const isTurn = (result: RecordResult | undefined) => result === 'recovered' || result === 'became-unresponsive';
  return new Set(records.filter((_, at) => isTurn(results[at])).map(({ claimed }) => claimed.clientId));
}

/** The statements of records, given in their order, about the callback URLs that TPPs have now. @param urlOf undefined: the TPP has none */
export function healthChangesOf(
  records: readonly AttemptRecord[],
  urlOf: (clientId: string) => string | undefined,
): HealthChange[] {
  const changes: HealthChange[] = [];
  for (const [clientId, own] of Map.groupBy(records, ({ claimed }) => claimed.clientId)) {
    const callbackUrl = urlOf(clientId);
    const attempts = own.map(({ attempt }) => attempt).filter((attempt) => attempt.callbackUrl === callbackUrl);
    if (callbackUrl !== undefined && attempts.length > 0) changes.push(healthChangeOf(clientId, callbackUrl, attempts));
  }
  return changes;
}

/** The turn that a change made. @param before since when the callback URL was failing; `after`: as it is now */
export function healthTurnOf(
  { clientId, lastFailure, acknowledgedAtMs }: HealthChange,
  before: number | undefined,
  after: number | undefined,
): HealthTurn | undefined {
  if (before === undefined && after !== undefined && lastFailure !== undefined) {
    return { clientId, atMs: after, to: 'failing', failure: lastFailure };
  }
  if (before === undefined || after !== undefined || acknowledgedAtMs === undefined) return undefined;
  return { clientId, atMs: acknowledgedAtMs, to: 'healthy', failingSinceMs: before };
}

/** How a portion of an operation in bulk is selected among candidates. */
export interface PortionSelection<Candidate> {
  /** Most notifications of the portion. */
  readonly limit: number;
  /** True: there are no candidates after these. */
  readonly isLast: boolean;
  readonly isSelected: (candidate: Candidate) => boolean;
  /** Where the next portion begins: after this candidate. */
  readonly placeOf: (candidate: Candidate) => string;
}

/** Selects a portion among candidates, in their order. `next`: where the next portion begins; undefined after the last. */
export function selectPortion<Candidate>(
  candidates: readonly Candidate[],
  { limit, isLast, isSelected, placeOf }: PortionSelection<Candidate>,
): { readonly selected: readonly Candidate[]; readonly next: string | undefined } {
  const selected: Candidate[] = [];
  let examined = 0;
  for (const candidate of candidates) {
    if (selected.length >= limit) break;
    examined += 1;
    if (isSelected(candidate)) selected.push(candidate);
  }
  const last = candidates[examined - 1];
  const isThrough = isLast && examined === candidates.length;
  return { selected, next: isThrough || last === undefined ? undefined : placeOf(last) };
}

/** The audit entry of an operation in bulk, with how many notifications it changed. */
export function withCount(audit: AuditEntry, count: number): AuditEntry {
  return { ...audit, detail: { ...audit.detail, count } };
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a of text, 32 bits, signed. */
export function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash | 0;
}
