import type { SetClaims } from '@tidings/protocol';
import type {
  Attempt,
  ClaimedNotification,
  NotificationRecord,
  StoredSubscription,
  Target,
  Tpp,
} from '../../packages/service/test/support/parts.ts';

/** A notification as {@link MemoryStore} keeps it. */
export interface Row {
  readonly seq: number;
  readonly jti: string;
  readonly eventId: string;
  readonly clientId: string;
  readonly claims: SetClaims;
  readonly publishedAtMs: number;
  readonly attempts: Attempt[];
  set: string | undefined;
  state: NotificationRecord['state'];
  acknowledgedAtMs: number | undefined;
  acknowledgedBy: NotificationRecord['acknowledgedBy'];
  round: number;
  roundAttempts: number;
  roundBeganAtMs: number | undefined;
  isRetry: boolean;
  dueAtMs: number;
  isLeased: boolean;
  leaseToken: number;
  offerAtMs: number | undefined;
}

/** A TPP as {@link MemoryStore} keeps it, with its registration and its target. */
export interface Party {
  tpp: Tpp;
  subscription: Omit<StoredSubscription, 'unresponsiveSinceMs'> | undefined;
  /** Every notification that was made for it and is awaiting, oldest first. */
  readonly awaiting: Set<Row>;
  round: number;
  unresponsiveSinceMs: number | undefined;
  probeAtMs: number | undefined;
  probes: number;
  backAtMs: number | undefined;
  claimedSinceBack: number;
}

export function newParty(tpp: Tpp): Party {
  return {
    ...{ tpp, subscription: undefined, awaiting: new Set<Row>(), round: 0 },
    ...{ unresponsiveSinceMs: undefined, probeAtMs: undefined, probes: 0 },
    ...{ backAtMs: undefined, claimedSinceBack: 0 },
  };
}

export function targetOf(party: Party): Target | undefined {
  const callbackUrl = party.subscription?.callbackUrl;
  if (callbackUrl === undefined || party.tpp.isSuspended === true) return undefined;
  const { unresponsiveSinceMs, probeAtMs, probes, backAtMs, claimedSinceBack } = party;
  const { clientId, retry } = party.tpp;
  return { clientId, callbackUrl, retry, unresponsiveSinceMs, probeAtMs, probes, backAtMs, claimedSinceBack };
}

/** First attempts before retries, each oldest first. */
export function inClaimOrder(left: Row, right: Row): number {
  return Number(left.isRetry) - Number(right.isRetry) || left.dueAtMs - right.dueAtMs || left.seq - right.seq;
}

export function leaseTo(row: Row, party: Party, target: Target, untilMs: number): ClaimedNotification {
  if (row.round !== party.round) {
    row.round = party.round;
    row.roundAttempts = 0;
    row.roundBeganAtMs = undefined;
  }
  row.isLeased = true;
  row.leaseToken += 1;
  row.dueAtMs = untilMs;
  if (party.backAtMs !== undefined) party.claimedSinceBack += 1;
  const { jti, clientId, claims, set, publishedAtMs, roundAttempts, roundBeganAtMs, leaseToken } = row;
  return {
    ...{ jti, clientId, claims, set, publishedAtMs, roundAttempts, roundBeganAtMs, leaseToken },
    ...{ callbackUrl: target.callbackUrl, retry: target.retry, attempts: row.attempts.length },
    probe: target.unresponsiveSinceMs === undefined ? undefined : target.probes,
  };
}

export function standsStill(row: Row, leaseToken: number): boolean {
  return row.state === 'awaiting' && row.isLeased && row.leaseToken === leaseToken;
}

export function waitNoMore(row: Row): void {
  row.isRetry = false;
  row.dueAtMs = row.publishedAtMs;
}

/** The retry policy begins anew for all that is awaiting. */
export function beginRound(party: Party): void {
  party.round += 1;
  for (const row of party.awaiting) if (row.isRetry && !row.isLeased) waitNoMore(row);
}

/** The callback URL is responsive again. */
export function comeBack(party: Party, nowMs: number): void {
  party.unresponsiveSinceMs = undefined;
  party.probeAtMs = undefined;
  party.probes = 0;
  party.backAtMs = nowMs;
  party.claimedSinceBack = 0;
  beginRound(party);
}
