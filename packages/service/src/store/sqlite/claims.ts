import assert from 'node:assert/strict';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { ClaimedNotification, Target } from '../../model/notification.ts';
import { type Claim, type ClaimOptions, OVERDUE_MS, OVERDUE_PART } from '../delivery.ts';
import { claimedOf, text, whole } from '../rows.ts';
import { type Client, type Clients, isFree, type LaneNumber, leaseEndMs, type Place } from './claim-queue.ts';
import type { RegistrationTables } from './registrations.ts';
import type { TargetTable } from './targets.ts';

const LANES = [0, 1] as const;
const RETRIES = 1;

/** A claim that is being made for one TPP. */
interface Turn {
  readonly client: Client;
  readonly target: Target;
  readonly options: ClaimOptions;
  readonly claimed: ClaimedNotification[];
}

/**
 * Claiming. It writes nothing: leases are kept in memory, because the store is one process's. What it costs grows with
 * what is claimed and, by a look into memory each, with the TPPs; not with what is awaiting.
 */
export class Claims {
  readonly #clients: Clients;
  readonly #registrations: RegistrationTables;
  readonly #states: TargetTable;
  readonly #inOrder: StatementSync;
  readonly #details: StatementSync;
  /** Where the next claim begins, so that each TPP is first in turn. */
  #turn = 0;
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
    this.#details = database.prepare(
      `SELECT event.jti, event.claims, event.published_at_ms, signed_set.set_jws, awaiting.attempts, awaiting.round,
         awaiting.round_attempts, awaiting.round_began_at_ms, event.content ->> '$.traceContext' AS trace
       FROM awaiting JOIN event ON event.seq = awaiting.seq LEFT JOIN signed_set ON signed_set.seq = awaiting.seq
       WHERE awaiting.seq = ?`,
    );
  }

  /** Goes round the TPPs that have something awaiting, beginning after the last one served. */
  claimDue(options: ClaimOptions): Claim {
    const { list } = this.#clients;
    const claimed: ClaimedNotification[] = [];
    const begin = this.#turn;
    this.#takenOver = 0;
    for (const client of list) this.#clients.passLeases(client, options.nowMs);
    for (let at = 0; at < list.length && claimed.length < options.limit; at += 1) {
      const client = list[(begin + at) % list.length];
      assert(client !== undefined);
      const before = claimed.length;
      this.#serve(client, options, claimed);
      if (claimed.length > before) this.#turn = (begin + at + 1) % list.length;
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
    const turn = { client, target, options, claimed };
    if (target.unresponsiveSinceMs !== undefined) this.#claimProbe(turn);
    else if (client.lanes.some(({ dueHintMs }) => dueHintMs <= options.nowMs)) this.#claimWaiting(turn);
  }

  #claimWaiting({ client, target, options, claimed }: Turn): void {
    const { nowMs, limit, capacityFor } = options;
    const asked = capacityFor(target);
    let room = Math.min(asked, limit - claimed.length);
    const before = claimed.length;
    const take = (lane: LaneNumber, wanted: number, dueByMs: number) => {
      const due = wanted > 0 ? this.#takeFrom(client, lane, wanted, dueByMs) : [];
      for (const place of due) claimed.push(this.#claim(client, target, place, options));
      room -= due.length;
    };
    take(RETRIES, Math.min(Math.ceil(asked * OVERDUE_PART), room), nowMs - OVERDUE_MS);
    for (const lane of LANES) take(lane, room, nowMs);
    this.#states.countClaimed(client.clientId, claimed.length - before, nowMs);
  }

  #claimProbe({ client, target, options, claimed }: Turn): void {
    const { nowMs, leaseMs, capacityFor } = options;
    if ((target.probeAtMs ?? 0) > nowMs || capacityFor(target) <= 0) return;
    const place = this.#first(client);
    if (place === undefined) return;
    for (const lane of client.lanes) lane.isExact = false;
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

  /** The notifications that are free and due, in order; moves the lane on past them. */
  #takeFrom(client: Client, number: LaneNumber, wanted: number, nowMs: number): Place[] {
    const lane = client.lanes[number];
    const taken: Place[] = [];
    if (lane.dueHintMs > nowMs) return taken;
    for (const row of this.#inOrder.iterate(client.clientId, number, lane.afterDueMs, lane.afterSeq)) {
      const place = { seq: whole(row, 'seq'), lane: number, dueAtMs: whole(row, 'due_at_ms') };
      if (isFree(client, place.seq)) {
        if (place.dueAtMs > nowMs || taken.length >= wanted) {
          lane.dueHintMs = place.dueAtMs;
          lane.isExact = true;
          return taken;
        }
        taken.push(place);
      }
      lane.afterDueMs = place.dueAtMs;
      lane.afterSeq = place.seq;
    }
    lane.dueHintMs = Number.POSITIVE_INFINITY;
    lane.isExact = true;
    return taken;
  }

  /** The first in the order of claiming that is free, due or not. */
  #first(client: Client): Place | undefined {
    for (const number of LANES) {
      const lane = client.lanes[number];
      for (const row of this.#inOrder.iterate(client.clientId, number, lane.afterDueMs, lane.afterSeq)) {
        const seq = whole(row, 'seq');
        if (isFree(client, seq)) return { seq, lane: number, dueAtMs: whole(row, 'due_at_ms') };
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

  /** When something of a TPP falls due at the earliest; what is due and had no room is left out. */
  #hintOf(client: Client, nowMs: number): number {
    const target = this.#registrations.targetOf(client.clientId);
    if (target === undefined || client.withdrawing !== undefined) return Number.POSITIVE_INFINITY;
    let earliest = client.leaseEndHintMs;
    if (target.probeAtMs !== undefined) return target.probeAtMs > nowMs ? target.probeAtMs : earliest;
    for (const number of LANES) {
      const lane = client.lanes[number];
      // A bound that is past says nothing.
      if (lane.dueHintMs <= nowMs && !lane.isExact) this.#lookAhead(client, number);
      if (lane.dueHintMs > nowMs && lane.dueHintMs < earliest) earliest = lane.dueHintMs;
    }
    return earliest;
  }

  #makeExact(client: Client, hintMs: number): void {
    if (client.leaseEndHintMs === hintMs) client.leaseEndHintMs = leaseEndMs(client);
    for (const number of LANES) {
      const lane = client.lanes[number];
      if (lane.dueHintMs === hintMs && !lane.isExact) this.#lookAhead(client, number);
    }
  }

  /** Wants none, so it stops at the first that is free: the hint is exact then. */
  #lookAhead(client: Client, number: LaneNumber): void {
    this.#takeFrom(client, number, 0, Number.POSITIVE_INFINITY);
  }
}
