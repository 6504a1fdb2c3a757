import type {
  AttemptRecord,
  BankEvent,
  ClaimedNotification,
  PublishResult,
  RecordResult,
} from '../../packages/service/test/support/parts.ts';
import type { Plan } from './behaviour.ts';
import { type Asked, grantProblem, postProblem } from './claim-rules.ts';
import { EVER, ExpectedState } from './expected-state.ts';
import { add, type Grant, type Life, type Note, type PartyNote, type Post } from './ledger.ts';
import { policyBreach } from './policy-check.ts';
import type { Settings } from './settings.ts';
import type { Timeline } from './timeline.ts';

/** What fan-out made of an event. */
export interface Made {
  /** As JSON. */
  readonly claims: string;
  readonly set: string | undefined;
}

// How long after the last disturbance steady TPPs must be served at once, and what that means.
const CALM_AFTER_MS = 5000;
const AT_ONCE_MS = 200;
// What each that goes before it may take: to be signed for, sent and recorded.
const TURN_MS = 70;

/**
 * Knows what should be: what was accepted, who may be sent what, and when. It sees each operation at its commit, in the
 * order of the store, and each POST as it begins; it shares no code with the engine or a store.
 */
export class Oracle extends ExpectedState {
  readonly #settings: Settings;
  readonly #timeline: Timeline;
  readonly #grants = new Map<string, Grant>();
  readonly #posts = new Map<string, Post>();
  readonly #jtiOfSet = new Map<string, string>();

  constructor(settings: Settings, timeline: Timeline) {
    super(timeline);
    this.#settings = settings;
    this.#timeline = timeline;
  }

  published(
    life: Life,
    events: readonly BankEvent[],
    result: PublishResult,
    made: ReadonlyMap<string, Made>,
    asked: Asked,
  ): Grant[] {
    if (result.kind === 'conflict') {
      this.fail(`publishing was refused: ${result.eventIds} in conflict`);
      return [];
    }
    for (const [at, outcome] of result.outcomes.entries()) {
      const jti = outcome.kind === 'notification' ? outcome.jti : undefined;
      const event = events[at];
      if (event === undefined || event.id !== outcome.eventId) this.fail(`outcome ${at} is of ${outcome.eventId}`);
      else if (outcome.repeated !== this.events.has(event.id)) this.fail(`${event.id}: repeated ${outcome.repeated}`);
      else if (outcome.repeated && this.events.get(event.id) !== jti) this.fail(`${event.id} came to something else`);
      else if (!outcome.repeated) this.#made(event, jti, made.get(event.id), asked.nowMs);
    }
    return result.claimed.flatMap((claimed) => this.granted(life, claimed, asked));
  }

  #made(event: BankEvent, jti: string | undefined, made: Made | undefined, stampMs: number): void {
    this.made(event, jti, made?.claims, stampMs);
    if (jti !== undefined && made?.set !== undefined) this.keptSets([{ jti, set: made.set }], [made.set]);
  }

  /** The store was asked for what is due: a lease that has run out by anybody's clock is over. */
  looked(nowMs: number): void {
    for (const { awaiting } of this.parties.values()) {
      for (const note of awaiting) if (note.current !== undefined && note.dueAtMs <= nowMs) note.dueAtMs = EVER;
    }
  }

  granted(life: Life, claimed: ClaimedNotification, asked: Asked): Grant[] {
    const note = this.notes.get(claimed.jti);
    const party = this.parties.get(claimed.clientId);
    if (note === undefined || party === undefined) {
      this.fail(`${claimed.jti} was claimed for ${claimed.clientId}, and is not known`);
      return [];
    }
    const problem = grantProblem({ note, party, claimed, asked }, this.#settings, this.#timeline.nowMs);
    if (problem !== undefined) this.fail(`${life.name} was granted ${claimed.jti}: ${problem}`);
    if (party.isUnresponsive) party.probeAtMs = asked.nowMs + asked.leaseMs;
    if (party.isUnresponsive) this.seen.probes += 1;
    if (party.recoveredAtMs !== undefined) party.claimedSinceRecovery += 1;
    const times = { grantedAtMs: this.#timeline.nowMs, untilMs: asked.atMs + asked.leaseMs };
    const { round } = party;
    const grant: Grant = { claimed, life, note, ...times, round, post: undefined, revokedAtMs: undefined };
    note.current = grant;
    note.dueAtMs = asked.nowMs + asked.leaseMs;
    this.#grants.set(keyOf(claimed), grant);
    return [grant];
  }

  /** The instance has them now. */
  handed(life: Life, grants: readonly Grant[]): void {
    for (const grant of grants) {
      life.held.add(grant);
      add(life.heldOf, grant.note.clientId, 1);
    }
  }

  /** Checked when all has come to rest: the instance had its chance to hand back what is too much. */
  checkMemory(life: Life): void {
    const { queueMax, concurrencyMax, queuePerTppMax, concurrencyPerTppMax } = this.#settings;
    if (life.held.size > queueMax + concurrencyMax) {
      this.fail(`${life.name} holds ${life.held.size} notifications, not ${queueMax + concurrencyMax} at most`);
    }
    for (const [clientId, count] of life.heldOf) {
      if (count <= queuePerTppMax + concurrencyPerTppMax) continue;
      this.fail(`${life.name} holds ${count} of ${clientId}, not ${queuePerTppMax + concurrencyPerTppMax} at most`);
    }
  }

  keptSets(given: readonly { readonly jti: string; readonly set: string }[], kept: readonly string[]): void {
    for (const [at, { jti, set }] of given.entries()) {
      const note = this.note(jti);
      const answer = kept[at];
      note.set ??= set;
      if (answer === undefined || answer !== note.set) this.fail(`another SET of ${jti} was given out`);
      else this.#jtiOfSet.set(answer, jti);
    }
  }

  /** @returns the claim that the POST is made on */
  posted(life: Life, url: string, body: string, interactionId: string): Grant | undefined {
    this.seen.posts += 1;
    const jti = this.#jtiOfSet.get(body);
    const note = jti === undefined ? undefined : this.notes.get(jti);
    if (note === undefined) {
      this.fail(`${life.name} sent bytes that were never kept`);
      return undefined;
    }
    const open = [...life.held].filter((one) => one.note === note && one.post === undefined);
    const isThere = (one: Grant) => Number(one.claimed.callbackUrl === url);
    const [grant] = open.sort((left, right) => isThere(right) - isThere(left) || right.untilMs - left.untilMs);
    if (grant === undefined) {
      this.fail(`${life.name} sent ${note.jti} without a claim, or twice on one`);
      return undefined;
    }
    const isUsed = this.#posts.has(interactionId);
    const problem = isUsed
      ? 'under an interaction id that was used'
      : postProblem(grant, url, this.#settings.timeoutMs, this.#timeline.nowMs);
    if (problem !== undefined) this.fail(`${life.name} sent ${note.jti} ${problem}`);
    const begun = { startedAtMs: this.#timeline.nowMs, endedAtMs: undefined, plan: undefined, told: undefined };
    grant.post = { grant, ...begun };
    this.#posts.set(interactionId, grant.post);
    life.underWay += 1;
    const ofTpp = add(life.underWayOf, note.clientId, 1);
    if (life.underWay > this.#settings.concurrencyMax) this.fail(`${life.name} has ${life.underWay} POSTs under way`);
    if (ofTpp > this.#settings.concurrencyPerTppMax) this.fail(`${life.name} has ${ofTpp} to ${note.clientId}`);
    this.#checkWait(note);
    return grant;
  }

  /** The receiver got it. @param isTaken it answers 202 */
  arrived(note: Note, body: string, isTaken: boolean): void {
    if (body !== note.set) this.fail(`${note.jti} arrived in other bytes`);
    const payload = Buffer.from(body.split('.')[1] ?? '', 'base64url').toString();
    if (payload !== note.claims) this.fail(`${note.jti} arrived with other claims`);
    if (!isTaken) return;
    if (note.isTaken) this.seen.duplicates += 1;
    note.isTaken = true;
  }

  /** The instance learned the outcome of a POST. */
  told(life: Life, interactionId: string, told: Post['told'], plan: Plan | undefined): void {
    const post = this.#posts.get(interactionId);
    if (post === undefined) return;
    Object.assign(post, { told, plan, endedAtMs: this.#timeline.nowMs });
    life.underWay -= 1;
    add(life.underWayOf, post.grant.note.clientId, -1);
  }

  recorded(life: Life, records: readonly AttemptRecord[], results: readonly RecordResult[], nowMs: number): void {
    for (const [at, record] of records.entries()) {
      const post = this.#posts.get(record.attempt.interactionId);
      const grant = this.#grants.get(keyOf(record.claimed));
      if (post !== undefined && grant !== undefined) correct(post, grant);
      if (post?.endedAtMs === undefined || grant === undefined || post.grant !== grant) {
        this.fail(`${life.name} recorded an attempt at ${record.claimed.jti} that was not made`);
        continue;
      }
      this.#checkRecord(life, record, post);
      this.#record(grant, record, results[at], nowMs);
    }
  }

  /** The instance learns that TPPs changed. */
  informed(life: Life, clientIds: ReadonlySet<string>): void {
    for (const grant of life.held) {
      if (!clientIds.has(grant.note.clientId) || grant.note.current === grant) continue;
      grant.revokedAtMs ??= this.#timeline.nowMs;
    }
  }

  /** Finished, as the instance sees it. */
  unheld(life: Life, claimed: readonly ClaimedNotification[]): void {
    for (const one of claimed) {
      const grant = this.#grants.get(keyOf(one));
      if (grant !== undefined && life.held.delete(grant)) add(life.heldOf, one.clientId, -1);
    }
  }

  /** The instance could not sign it, and leaves it to its lease. */
  unsigned(life: Life, jti: string): void {
    this.disturb();
    const open = [...life.held].filter(({ note, post }) => note.jti === jti && post === undefined);
    const grant = open.sort((left, right) => right.untilMs - left.untilMs)[0];
    if (grant !== undefined) this.unheld(life, [grant.claimed]);
  }

  released(claimed: readonly ClaimedNotification[], nowMs: number): void {
    for (const one of claimed) {
      const grant = this.#grants.get(keyOf(one));
      if (grant === undefined || grant.note.current !== grant) continue;
      grant.note.current = undefined;
      grant.note.dueAtMs = EVER;
      const party = this.parties.get(one.clientId);
      const isProbe = one.probe !== undefined && party?.isUnresponsive && party.round === grant.round;
      if (isProbe) party.probeAtMs = Math.min(party.probeAtMs, nowMs);
    }
  }

  /** A steady TPP waits for nobody. */
  #checkWait(note: Note): void {
    if (note.firstPostAtMs !== undefined) return;
    note.firstPostAtMs = this.#timeline.nowMs;
    const { isRoomy, clocks } = this.#settings;
    const party = this.parties.get(note.clientId);
    if (!isRoomy || clocks !== 'true' || !party?.isSteady) return;
    const waitedMs = note.firstPostAtMs - note.publishedAtMs;
    const isCalm = this.isCalmSince(CALM_AFTER_MS, note.publishedAtMs);
    const turns = note.ahead / this.#settings.concurrencyPerTppMax;
    if (isCalm && waitedMs > AT_ONCE_MS + turns * TURN_MS)
      this.fail(`${note.jti} of a steady TPP waited ${waitedMs.toFixed(0)} ms`);
  }

  #checkRecord(life: Life, record: AttemptRecord, post: Post): void {
    const { outcome } = record.attempt;
    const said = outcome.kind === 'refused' ? outcome.status : outcome.kind;
    if (said !== post.told) this.fail(`${life.name} recorded ${said} for ${record.claimed.jti}, not ${post.told}`);
    // What was reckoned with a clock that was set during the attempt says nothing.
    if (life.jumpedAtMs >= post.startedAtMs) return;
    const breach = policyBreach(this.#settings, record.claimed.retry, record, post);
    if (breach !== undefined) this.fail(`${life.name}, ${record.claimed.jti}: ${breach}`);
  }

  #record(grant: Grant, { next, claimed }: AttemptRecord, result: RecordResult | undefined, nowMs: number) {
    const { note } = grant;
    const party = this.parties.get(note.clientId);
    if (result === 'overtaken') this.seen.overtaken += 1;
    if (next.kind === 'acknowledged') return this.#recordAcknowledged(grant, party, result, nowMs);
    const stands = note.current === grant;
    if (stands === (result === 'overtaken')) this.fail(`the record of ${note.jti} was ${result}`);
    if (party === undefined) return;
    if (!stands) return this.#recordOvertaken(grant, party, next);
    note.current = undefined;
    note.dueAtMs = EVER;
    note.failures += 1;
    if (grant.round === party.round) note.failuresOfRound += 1;
    if (next.kind === 'retry') {
      if (!party.isUnresponsive) note.dueAtMs = next.atMs;
      return;
    }
    if (party.isUnresponsive) {
      this.#recordProbe(grant, party, next.probeAtMs);
      return;
    }
    // A probe that failed although the callback URL recovered by other means, or the last attempt of an older round.
    if (claimed.probe !== undefined || grant.round !== party.round) {
      this.seen.ofOlderRounds += 1;
      if (result !== 'applied') this.fail(`${note.jti} ceased in another round: ${result}`);
      return;
    }
    this.seen.ceased += 1;
    Object.assign(party, { isUnresponsive: true, probeAtMs: next.probeAtMs, probes: 0 });
    if (result !== 'became-unresponsive') this.fail(`${note.clientId} ceased: ${result}`);
  }

  /** A probe of what is not awaiting any more counts as well, unless another one has taken its place. */
  #recordOvertaken(grant: Grant, party: PartyNote, next: AttemptRecord['next']): void {
    const isLatest = party.isUnresponsive && grant.claimed.probe === party.probes;
    if (grant.note.state !== 'awaiting' && isLatest && next.kind === 'cease') {
      this.#recordProbe(grant, party, next.probeAtMs);
    }
  }

  /** A probe of an older round says nothing about the callback URL since it recovered. */
  #recordProbe({ claimed, round }: Grant, party: PartyNote, probeAtMs: number): void {
    if (claimed.probe === undefined) return;
    if (round === party.round) Object.assign(party, { probeAtMs, probes: claimed.probe + 1 });
    else this.seen.ofOlderRounds += 1;
  }

  #recordAcknowledged(
    grant: Grant,
    party: PartyNote | undefined,
    result: RecordResult | undefined,
    nowMs: number,
  ): void {
    const { note, claimed } = grant;
    if (note.state === 'awaiting' && result === 'overtaken') this.fail(`${note.jti} was not acknowledged`);
    this.acknowledge(note, grant);
    if (party === undefined) return;
    const isRecovered = party.isUnresponsive && !party.isSuspended && party.url === claimed.callbackUrl;
    if (isRecovered !== (result === 'recovered')) this.fail(`${note.jti} was acknowledged: ${result}`);
    if (isRecovered) this.recover(party, nowMs);
  }
}

/** An instance that has two claims of one notification does not say on which it sends, until it records. */
function correct(post: Post, grant: Grant): void {
  const { grant: other } = post;
  if (other === grant || other.note !== grant.note || other.life !== grant.life) return;
  other.post = grant.post;
  if (other.post !== undefined) other.post.grant = other;
  grant.post = post;
  post.grant = grant;
}

function keyOf({ jti, leaseToken }: ClaimedNotification): string {
  return `${jti}#${leaseToken}`;
}
