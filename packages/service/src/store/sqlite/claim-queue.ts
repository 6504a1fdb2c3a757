import type { UndoLog } from './write-queue.ts';

// Claims of one opening of the store; the tokens of the next begin above.
const TOKENS_PER_OPENING = 2 ** 32;

/** The queues of a TPP: first attempts, and retries. */
export type QueueName = 'first' | 'retry';

export const QUEUES: readonly QueueName[] = ['first', 'retry'];

/** The position in one queue of a TPP: a claim costs the same however much is awaiting. */
export interface ClaimQueue {
  /** Nothing that is free is due before; Infinity: nothing is. */
  dueHintMs: number;
  /** The hint is when something that is free is due, not merely a bound. */
  isExact: boolean;
  /** All rows up to this place, (due_at_ms, seq), are leased. */
  afterDueMs: number;
  afterSeq: number;
}

/** A place in a queue. */
export interface Place {
  readonly seq: number;
  readonly queue: QueueName;
  readonly dueAtMs: number;
}

/** A claim. It is kept in memory only: its holder ends with the process. */
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
  readonly queues: Readonly<Record<QueueName, ClaimQueue>>;
}

/** TPPs that have something awaiting, or had since the store was opened, with their leases. */
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
    const client = {
      clientId,
      withdrawing: undefined,
      awaiting: 0,
      leases: new Map<number, Lease>(),
      leaseEndHintMs: Number.POSITIVE_INFINITY,
      queues: { first: newQueue(), retry: newQueue() },
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
    const { seq, queue, dueAtMs } = place;
    const lease = { jti, seq, queue, dueAtMs, token: this.#token, untilMs, isOver: false };
    const before = client.leases.get(seq);
    this.#put(client, lease);
    this.#undo.add(() => (before === undefined ? this.#remove(client, lease) : this.#put(client, before)));
    return lease;
  }

  /** The lease that stands for a notification, over or not. */
  leaseOf(jti: string): Lease | undefined {
    return this.#leases.get(jti);
  }

  /** The notification was settled or requeued. */
  endLease(client: Client, lease: Lease): void {
    this.#remove(client, lease);
    this.#undo.add(() => this.#put(client, lease));
  }

  /** The notification is free again, at its original position. */
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

  /** After a rollback, when the positions of the queues are not known. */
  resetAllQueues(): void {
    for (const client of this.list) resetQueues(client);
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

/** A row at a place is free: the queue must not skip it. */
export function fallsDue(client: Client, { queue: name, dueAtMs, seq }: Place): void {
  const queue = client.queues[name];
  if (dueAtMs < queue.dueHintMs) queue.dueHintMs = dueAtMs;
  if (dueAtMs < queue.afterDueMs || (dueAtMs === queue.afterDueMs && seq <= queue.afterSeq)) {
    queue.afterDueMs = dueAtMs;
    queue.afterSeq = seq - 1;
  }
}

/** A row that was free was removed from an unknown place. */
export function isGone(client: Client): void {
  for (const name of QUEUES) client.queues[name].isExact = false;
}

/** Rows have moved between the queues, or their places are not known. */
export function resetQueues(client: Client): void {
  for (const name of QUEUES) Object.assign(client.queues[name], newQueue());
}

/** Where what may be delivered of a TPP begins: its sequence numbers are greater. */
export function withdrawnUpTo({ withdrawing }: Client): number {
  return withdrawing?.upToSeq ?? 0;
}

function newQueue(): ClaimQueue {
  return { dueHintMs: 0, isExact: false, afterDueMs: -1, afterSeq: -1 };
}

/** A row has just been leased: the queue moves past it when nothing before it is free. */
export function passBy(client: Client, { queue: name, dueAtMs, seq }: Place): void {
  const queue = client.queues[name];
  const isAhead = dueAtMs > queue.afterDueMs || (dueAtMs === queue.afterDueMs && seq > queue.afterSeq);
  if (queue.dueHintMs <= dueAtMs || !isAhead) return;
  queue.afterDueMs = dueAtMs;
  queue.afterSeq = seq;
}

/** Whether a notification may be claimed: it has no lease, or one that has run out. */
export function isFree(client: Client, seq: number): boolean {
  const lease = client.leases.get(seq);
  return lease === undefined || lease.isOver;
}
