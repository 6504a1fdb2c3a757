import assert from 'node:assert/strict';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ClaimedNotification, Target } from '../../model/notification.ts';
import { type Claim, type ClaimOptions, OVERDUE_MS, OVERDUE_PART, TRIAL_EXAMINED_MAX } from '../delivery.ts';
import { claimedOf, isTrue, text, whole } from '../rows.ts';
import { type Client, type Clients, isFree, leaseEndMs, type Place, QUEUES, type QueueName } from './claim-queue.ts';
import type { RegistrationTables } from './registrations.ts';
import type { TargetTable } from './targets.ts';

/** A claim that is being made for one TPP. */
interface TppClaim {
  readonly client: Client;
  readonly target: Target;
  readonly options: ClaimOptions;
  readonly claimed: ClaimedNotification[];
}

/**
 * Claiming. It writes nothing: leases are kept in memory, because the store is one process's. What it costs grows with
 * what is claimed and, little and in memory, with the number of TPPs; not with what is awaiting.
 */
export class Claims {
  readonly #clients: Clients;
  readonly #registrations: RegistrationTables;
  readonly #states: TargetTable;
  readonly #inOrder: StatementSync;
  readonly #oldest: StatementSync;
  readonly #oldestWithheld: StatementSync;
  readonly #details: StatementSync;
  /** The TPP that the next claim begins with. */
  #next = 0;
  /** By the claim that is being made. */
  #takenOver = 0;

  constructor(database: DatabaseSync, clients: Clients, registrations: RegistrationTables, states: TargetTable) {
    this.#clients = clients;
    this.#registrations = registrations;
    this.#states = states;
    this.#inOrder = database.prepare(
      `SELECT seq, due_at_ms FROM awaiting
       WHERE client_id = ? AND is_retry = ? AND (due_at_ms, seq) > (?, ?) ORDER BY due_at_ms, seq`,
    );
    this.#oldest = database.prepare(
      `SELECT seq, due_at_ms, is_retry FROM awaiting
       WHERE client_id = ? AND offer_at_ms IS NULL ORDER BY seq LIMIT ${TRIAL_EXAMINED_MAX}`,
    );
    // Few are withheld from polls; they come in the order in which they were offered.
    this.#oldestWithheld = database.prepare(
      `SELECT seq, due_at_ms, is_retry FROM awaiting
       WHERE client_id = ? AND offer_at_ms IS NOT NULL LIMIT ${TRIAL_EXAMINED_MAX}`,
    );
    this.#details = database.prepare(
      `SELECT event.jti, event.claims, event.published_at_ms, signed_set.set_jws, awaiting.attempts, awaiting.round,
         awaiting.round_attempts, awaiting.round_began_at_ms, event.trace
       FROM awaiting JOIN event ON event.seq = awaiting.seq LEFT JOIN signed_set ON signed_set.seq = awaiting.seq
       WHERE awaiting.seq = ?`,
    );
  }

  /** Goes round the TPPs that have something awaiting, beginning after the last one served. */
  claimDue(options: ClaimOptions): Claim {
    const { list } = this.#clients;
    const claimed: ClaimedNotification[] = [];
    const begin = this.#next;
    this.#takenOver = 0;
    for (const client of list) this.#clients.passLeases(client, options.nowMs);
    for (let at = 0; at < list.length && claimed.length < options.limit; at += 1) {
      const client = list[(begin + at) % list.length];
      assert(client !== undefined);
      const before = claimed.length;
      this.#serve(client, options, claimed);
      if (claimed.length > before) this.#next = (begin + at + 1) % list.length;
    }
    return { claimed, takenOver: this.#takenOver, nextDueAtMs: this.#nextDueAtMs(options.nowMs) };
  }

  /** Hands claims back that still stand. */
  release(claimed: readonly ClaimedNotification[], nowMs: number): void {
    for (const { jti, clientId, leaseToken, probe, round } of claimed) {
      const lease = this.#clients.leaseOf(jti);
      if (lease?.token !== leaseToken) continue;
      this.#clients.freeLease(this.#clients.get(clientId), lease);
      const state = this.#states.of(clientId);
      const isProbe = probe !== undefined && state.unresponsiveSinceMs !== undefined && state.round === round;
      if (isProbe) this.#states.holdProbe(clientId, nowMs);
    }
  }

  #serve(client: Client, options: ClaimOptions, claimed: ClaimedNotification[]): void {
    if (client.awaiting === 0 || client.withdrawing !== undefined) return;
    const target = this.#registrations.targetOf(client.clientId);
    if (target === undefined) return;
    const claim = { client, target, options, claimed };
    if (target.unresponsiveSinceMs !== undefined) this.#claimProbe(claim);
    else if (QUEUES.some((name) => client.queues[name].dueHintMs <= options.nowMs)) this.#claimWaiting(claim);
  }

  #claimWaiting({ client, target, options, claimed }: TppClaim): void {
    const { nowMs, limit, capacityFor, isOnTrial } = options;
    const capacity = capacityFor(target);
    let left = Math.min(capacity, limit - claimed.length);
    const before = claimed.length;
    const oldest = left > 0 && isOnTrial?.(target) ? this.#oldestDue(client, nowMs) : undefined;
    if (oldest !== undefined) {
      for (const name of QUEUES) client.queues[name].isExact = false;
      claimed.push(this.#claim(client, target, oldest, options));
      left -= 1;
    }
    const take = (queue: QueueName, wanted: number, dueByMs: number) => {
      const due = wanted > 0 ? this.#takeFrom(client, queue, wanted, dueByMs) : [];
      for (const place of due) claimed.push(this.#claim(client, target, place, options));
      left -= due.length;
    };
    take('retry', Math.min(Math.ceil(capacity * OVERDUE_PART), left), nowMs - OVERDUE_MS);
    for (const queue of QUEUES) take(queue, left, nowMs);
    this.#states.countClaimed(client.clientId, claimed.length - before, nowMs);
  }

  #claimProbe({ client, target, options, claimed }: TppClaim): void {
    const { nowMs, leaseMs, capacityFor } = options;
    if ((target.probeAtMs ?? 0) > nowMs || capacityFor(target) <= 0) return;
    const place = this.#first(client);
    if (place === undefined) return;
    for (const name of QUEUES) client.queues[name].isExact = false;
    claimed.push(this.#claim(client, target, place, options));
    this.#states.holdProbe(client.clientId, nowMs + leaseMs);
  }

  #claim(client: Client, target: Target, place: Place, { nowMs, leaseMs }: ClaimOptions): ClaimedNotification {
    const row = this.#details.get(place.seq);
    assert(row !== undefined, 'what is awaiting has an event');
    if (client.leases.has(place.seq)) this.#takenOver += 1;
    const lease = this.#clients.lease(client, text(row, 'jti'), place, nowMs + leaseMs);
    return claimedOf(row, target, { round: this.#states.of(client.clientId).round, leaseToken: lease.token });
  }

  /** The notifications that are free and due, in order; moves the queue past them. */
  #takeFrom(client: Client, name: QueueName, wanted: number, nowMs: number): Place[] {
    const queue = client.queues[name];
    const taken: Place[] = [];
    if (queue.dueHintMs > nowMs) return taken;
    for (const row of this.#inOrder.iterate(
      client.clientId,
      name === 'retry' ? 1 : 0,
      queue.afterDueMs,
      queue.afterSeq,
    )) {
      const place = { seq: whole(row, 'seq'), queue: name, dueAtMs: whole(row, 'due_at_ms') };
      if (isFree(client, place.seq)) {
        if (place.dueAtMs > nowMs || taken.length >= wanted) {
          queue.dueHintMs = place.dueAtMs;
          queue.isExact = true;
          return taken;
        }
        taken.push(place);
      }
      queue.afterDueMs = place.dueAtMs;
      queue.afterSeq = place.seq;
    }
    queue.dueHintMs = Number.POSITIVE_INFINITY;
    queue.isExact = true;
    return taken;
  }

  /** The one that was published first of those that are free and due. */
  #oldestDue(client: Client, nowMs: number): Place | undefined {
    const candidates = [this.#oldest, this.#oldestWithheld].flatMap((statement) => statement.all(client.clientId));
    let oldest: Place | undefined;
    for (const row of candidates) {
      const place: Place = {
        ...{ seq: whole(row, 'seq'), dueAtMs: whole(row, 'due_at_ms') },
        queue: isTrue(row, 'is_retry') ? 'retry' : 'first',
      };
      const isBetter = oldest === undefined || place.seq < oldest.seq;
      if (isBetter && place.dueAtMs <= nowMs && isFree(client, place.seq)) oldest = place;
    }
    return oldest;
  }

  /** The first in the order of claiming that is free, due or not. */
  #first(client: Client): Place | undefined {
    for (const name of QUEUES) {
      const queue = client.queues[name];
      for (const row of this.#inOrder.iterate(
        client.clientId,
        name === 'retry' ? 1 : 0,
        queue.afterDueMs,
        queue.afterSeq,
      )) {
        const seq = whole(row, 'seq');
        if (isFree(client, seq)) return { seq, queue: name, dueAtMs: whole(row, 'due_at_ms') };
      }
    }
    return undefined;
  }

  /** Bounds are made exact only where they decide. */
  #nextDueAtMs(nowMs: number): number | undefined {
    for (;;) {
      let earliest = Number.POSITIVE_INFINITY;
      let first: Client | undefined;
      for (const client of this.#clients.list) {
        const atMs = client.awaiting === 0 ? Number.POSITIVE_INFINITY : this.#hintOf(client, nowMs);
        if (atMs < earliest) {
          earliest = atMs;
          first = client;
        }
      }
      if (first === undefined) return undefined;
      this.#makeExact(first, earliest);
      if (this.#hintOf(first, nowMs) === earliest) return earliest;
    }
  }

  /** When something of a TPP falls due at the earliest; what is due and had no left is left out. */
  #hintOf(client: Client, nowMs: number): number {
    const target = this.#registrations.targetOf(client.clientId);
    if (target === undefined || client.withdrawing !== undefined) return Number.POSITIVE_INFINITY;
    let earliest = client.leaseEndHintMs;
    if (target.probeAtMs !== undefined) return target.probeAtMs > nowMs ? target.probeAtMs : earliest;
    for (const name of QUEUES) {
      const queue = client.queues[name];
      // A bound that is past says nothing.
      if (queue.dueHintMs <= nowMs && !queue.isExact) this.#exactHint(client, name);
      if (queue.dueHintMs > nowMs && queue.dueHintMs < earliest) earliest = queue.dueHintMs;
    }
    return earliest;
  }

  #makeExact(client: Client, hintMs: number): void {
    if (client.leaseEndHintMs === hintMs) client.leaseEndHintMs = leaseEndMs(client);
    for (const name of QUEUES) {
      const queue = client.queues[name];
      if (queue.dueHintMs === hintMs && !queue.isExact) this.#exactHint(client, name);
    }
  }

  /** Wants none, so it stops at the first that is free: the hint is exact then. */
  #exactHint(client: Client, name: QueueName): void {
    this.#takeFrom(client, name, 0, Number.POSITIVE_INFINITY);
  }
}
