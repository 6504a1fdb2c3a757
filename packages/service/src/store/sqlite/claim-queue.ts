import type { UndoLog } from './write-queue.ts';

// Claims of one opening of the store; the tokens of the next begin above.
const TOKENS_PER_OPENING = 2 ** 32;

/** First attempts, and retries. */
export type LaneNumber = 0 | 1;

/** Where the claim order of one lane stands: a TPP with much that is awaiting costs no more than one with little. */
export interface Lane {
  /** Nothing that is free is due before; Infinity: nothing is. */
  dueHintMs: number;
  /** The hint is when something that is free is due, not merely a bound. */
  isExact: boolean;
  /** All rows up to this place, (due_at_ms, seq), are leased. */
  afterDueMs: number;
  afterSeq: number;
}

/** A place in a lane. */
export interface Place {
  readonly seq: number;
  readonly lane: LaneNumber;
  readonly dueAtMs: number;
}

/** A claim that stands. It is kept in memory only: when the process is gone, so is whoever held it. */
export interface Lease extends Place {
  readonly jti: string;
  readonly token: number;
  readonly untilMs: number;
  /** It has run out and may be taken over. */
  isOver: boolean;
}

/** A backlog that is being withdrawn, in portions. */
export interface Withdrawing {
  /** The last of it; what was published later is not part of it. */
  readonly upToSeq: number;
  readonly atMs: number;
}

/** The state of a TPP's notifications that is known without asking the database. */
export interface Client {
  readonly clientId: string;
  /** Until all of it is withdrawn, nothing of the TPP is claimed. */
  withdrawing: Withdrawing | undefined;
  /** Notifications that are awaiting, leased or free. */
  awaiting: number;
  readonly leases: Map<number, Lease>;
  /** No lease runs out before. */
  leaseEndHintMs: number;
  readonly lanes: readonly [Lane, Lane];
}

/** TPPs that have something awaiting, or had it since the store was opened; and who holds what. */
export class Clients {
  readonly #undo: UndoLog;
  readonly #byId = new Map<string, Client>();
  readonly #leases = new Map<string, Lease>();
  #token: number;
  /** In an order that stays; for going round them. */
  readonly list: Client[] = [];
  /** Notifications that are awaiting, of all TPPs. */
  awaiting = 0;

  /** @param opening how often the store was opened */
  constructor(undo: UndoLog, opening: number) {
    this.#undo = undo;
    this.#token = opening * TOKENS_PER_OPENING;
  }

  get(clientId: string): Client {
    const known = this.#byId.get(clientId);
    if (known !== undefined) return known;
    const lanes = [newLane(), newLane()] as const;
    const client = {
      clientId,
      withdrawing: undefined,
      awaiting: 0,
      leases: new Map<number, Lease>(),
      leaseEndHintMs: Number.POSITIVE_INFINITY,
      lanes,
    };
    this.#byId.set(clientId, client);
    this.list.push(client);
    return client;
  }

  awaitingOf(clientId: string): number {
    return this.#byId.get(clientId)?.awaiting ?? 0;
  }

  /** Counts what has become awaiting, or no longer is. */
  count(client: Client, change: number): void {
    client.awaiting += change;
    this.awaiting += change;
    this.#undo.add(() => {
      client.awaiting -= change;
      this.awaiting -= change;
    });
  }

  setWithdrawing(client: Client, withdrawing: Withdrawing | undefined): void {
    const before = client.withdrawing;
    client.withdrawing = withdrawing;
    this.#undo.add(() => {
      client.withdrawing = before;
    });
  }

  lease(client: Client, jti: string, place: Place, untilMs: number): Lease {
    this.#token += 1;
    const { seq, lane, dueAtMs } = place;
    const lease = { jti, seq, lane, dueAtMs, token: this.#token, untilMs, isOver: false };
    const before = client.leases.get(seq);
    this.#put(client, lease);
    this.#undo.add(() => (before === undefined ? this.#remove(client, lease) : this.#put(client, before)));
    return lease;
  }

  /** The lease that stands for a notification, over or not. */
  leaseOf(jti: string): Lease | undefined {
    return this.#leases.get(jti);
  }

  /** The notification has been settled, or is placed anew. */
  endLease(client: Client, lease: Lease): void {
    this.#remove(client, lease);
    this.#undo.add(() => this.#put(client, lease));
  }

  /** The notification is free again, in its old place. */
  freeLease(client: Client, lease: Lease): void {
    this.endLease(client, lease);
    fallsDue(client, lease);
  }

  freeAllLeases(client: Client): void {
    for (const lease of [...client.leases.values()]) this.freeLease(client, lease);
  }

  /** Lets leases that have run out be taken over; until then they stand. */
  passLeases(client: Client, nowMs: number): void {
    if (client.leaseEndHintMs > nowMs) return;
    for (const lease of client.leases.values()) {
      if (lease.isOver || lease.untilMs > nowMs) continue;
      lease.isOver = true;
      fallsDue(client, lease);
    }
    client.leaseEndHintMs = leaseEndMs(client);
  }

  /** After a rollback, when nothing is known of where the lanes stand. */
  forgetLanes(): void {
    for (const client of this.list) forgetLanesOf(client);
  }

  #put(client: Client, lease: Lease): void {
    client.leases.set(lease.seq, lease);
    client.leaseEndHintMs = Math.min(client.leaseEndHintMs, lease.untilMs);
    this.#leases.set(lease.jti, lease);
  }

  #remove(client: Client, lease: Lease): void {
    client.leases.delete(lease.seq);
    this.#leases.delete(lease.jti);
    if (client.leases.size === 0) client.leaseEndHintMs = Number.POSITIVE_INFINITY;
  }
}

/** When the first of the leases runs out; Infinity: there is none. */
export function leaseEndMs(client: Client): number {
  let first = Number.POSITIVE_INFINITY;
  for (const { untilMs, isOver } of client.leases.values()) if (!isOver && untilMs < first) first = untilMs;
  return first;
}

/** A row that is free stands at a place: the lane must not pass it by. */
export function fallsDue(client: Client, { lane: number, dueAtMs, seq }: Place): void {
  const lane = client.lanes[number];
  if (dueAtMs < lane.dueHintMs) lane.dueHintMs = dueAtMs;
  if (dueAtMs < lane.afterDueMs || (dueAtMs === lane.afterDueMs && seq <= lane.afterSeq)) {
    lane.afterDueMs = dueAtMs;
    lane.afterSeq = seq - 1;
  }
}

/** A row that was free is gone from a place that is not known. */
export function isGone(client: Client): void {
  for (const lane of client.lanes) lane.isExact = false;
}

/** Rows have moved between the lanes, or it is not known where they stand. */
export function forgetLanesOf(client: Client): void {
  for (const lane of client.lanes) Object.assign(lane, newLane());
}

/** Where what may be delivered of a TPP begins: its sequence numbers are greater. */
export function withdrawnUpTo({ withdrawing }: Client): number {
  return withdrawing?.upToSeq ?? 0;
}

function newLane(): Lane {
  return { dueHintMs: 0, isExact: false, afterDueMs: -1, afterSeq: -1 };
}

/** A row that has just been leased: the lane moves on past it when nothing that is free lies before. */
export function passBy(client: Client, { lane: number, dueAtMs, seq }: Place): void {
  const lane = client.lanes[number];
  const isAhead = dueAtMs > lane.afterDueMs || (dueAtMs === lane.afterDueMs && seq > lane.afterSeq);
  if (lane.dueHintMs <= dueAtMs || !isAhead) return;
  lane.afterDueMs = dueAtMs;
  lane.afterSeq = seq;
}

/** Whether nobody holds a notification, or only under a lease that has run out. */
export function isFree(client: Client, seq: number): boolean {
  const lease = client.leases.get(seq);
  return lease === undefined || lease.isOver;
}
