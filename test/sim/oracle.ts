import { START_MS } from '../../packages/service/test/support/fake-clock.ts';
import type {
  AttemptRecord,
  BankEvent,
  ClaimedNotification,
  PublishResult,
  RecordResult,
  RetryOverrides,
} from '../../packages/service/test/support/parts.ts';
import type { Plan } from './behaviour.ts';
import { add, type Grant, type Life, type Note, type PartyNote, type Post } from './ledger.ts';
import { policyBreach } from './policy-check.ts';
import type { Settings } from './settings.ts';
import type { Timeline } from './timeline.ts';

/** How a claim was asked for. */
export interface Asked {
  readonly atMs: number;
  /** By the clock of who asked. */
  readonly nowMs: number;
  readonly leaseMs: number;
}

const EVER = Number.NEGATIVE_INFINITY;
// How long after the last disturbance steady TPPs must be served at once, and what that means.
const CALM_AFTER_MS = 5000;
const AT_ONCE_MS = 200;
// What each that goes before it may take: to be signed for, sent and recorded.
const TURN_MS = 70;
// Recording an attempt happens under the lease as well; no attempt may end later than this before the lease does.
const TOLERANCE_MS = 1;

/**
 * Knows what should be: what was accepted, who may be sent what, and when. It sees each operation at its commit, in the
 * order of the store, and each POST as it begins; it shares no code with the engine or a store.
 */
export class Oracle {
  readonly notes = new Map<string, Note>();
  readonly parties = new Map<string, PartyNote>();
  /** What came of each event, once committed: its jti, or none. */
  readonly events = new Map<string, string | undefined>();
  readonly #settings: Settings;
  readonly #timeline: Timeline;
  readonly #grants = new Map<string, Grant>();
  readonly #posts = new Map<string, Post>();
  readonly #jtiOfSet = new Map<string, string>();
  /** When something last went wrong that may delay others. */
  #disturbedAtMs = EVER;
  #disturbances = 0;
  #breach: string | undefined;
  /** What the run showed at all, so that a run which shows nothing can be told. */
  readonly seen = {
    posts: 0,
    acknowledged: 0,
    duplicates: 0,
    ceased: 0,
    recovered: 0,
    overtaken: 0,
    probes: 0,
    ofOlderRounds: 0,
  };

  constructor(settings: Settings, timeline: Timeline) {
    this.#settings = settings;
    this.#timeline = timeline;
  }

  /** The first rule that was broken. */
  get breach(): string | undefined {
    return this.#breach;
  }

  fail(breach: string): void {
    this.#breach ??= `at ${this.#timeline.nowMs.toFixed(1)} ms: ${breach}`;
  }

  /** Something goes wrong that may delay what has nothing to do with it. */
  disturb(): void {
    this.#disturbedAtMs = this.#timeline.nowMs;
  }

  /** An operation goes wrong, and others may wait for it. @returns to be called when it has ended */
  disturbing(): () => void {
    this.#disturbances += 1;
    return () => {
      this.#disturbances -= 1;
      this.disturb();
    };
  }

  registered(clientId: string, url: string, retry: RetryOverrides | undefined, isSteady: boolean): void {
    const state = { isSuspended: false, isUnresponsive: false, probeAtMs: EVER, probes: 0, recoveredAtMs: undefined };
    const awaiting = new Set<Note>();
    this.parties.set(clientId, {
      clientId,
      retry,
      isSteady,
      url,
      ...state,
      claimedSinceRecovery: 0,
      round: 0,
      awaiting,
    });
  }

  replaced(clientId: string, url: string, nowMs: number): void {
    const party = this.party(clientId);
    if (party.url !== url) this.#fence(party);
    party.url = url;
    if (party.isUnresponsive) this.#recover(party, nowMs);
    else this.#newRound(party);
  }

  suspended(clientId: string, isSuspended: boolean): void {
    const party = this.party(clientId);
    party.isSuspended = isSuspended;
    if (isSuspended) this.#fence(party);
    else this.#newRound(party);
  }

  removed(clientId: string): void {
    for (const note of this.party(clientId).awaiting) {
      note.state = 'withdrawn';
      note.current = undefined;
    }
    this.parties.delete(clientId);
  }

  recovered(clientId: string, how: 'responsive' | 'probe-now', nowMs: number): void {
    const party = this.party(clientId);
    if (how === 'responsive') this.#recover(party, nowMs);
    else party.probeAtMs = nowMs;
  }

  polled(clientId: string, acknowledged: readonly string[], offered: readonly string[]): void {
    for (const jti of acknowledged) this.#acknowledge(this.note(jti), undefined);
    for (const jti of offered) {
      const note = this.note(jti);
      if (note.clientId !== clientId) this.fail(`${jti} was offered to another TPP`);
      if (note.state !== 'awaiting') this.fail(`${jti} is ${note.state}, and was offered`);
      note.isTaken = true;
    }
  }

  /** @returns which notifications must have been made due */
  redelivered(clientId: string, only: 'failed' | 'awaiting' | undefined, dueAtMs: number): number {
    let count = 0;
    for (const note of this.notes.values()) {
      if (note.clientId !== clientId || note.state === 'withdrawn') continue;
      // Under way, unless its lease has run out.
      if (note.current !== undefined && note.dueAtMs > EVER) continue;
      if (note.state === 'acknowledged' && only !== undefined) continue;
      count += 1;
      Object.assign(note, { state: 'awaiting', acknowledgedAtMs: undefined, acknowledgedThrough: undefined });
      this.party(clientId).awaiting.add(note);
      note.current = undefined;
      this.#renew(note);
      note.dueAtMs = dueAtMs;
    }
    return count;
  }

  published(
    life: Life,
    events: readonly BankEvent[],
    result: PublishResult,
    claimsOf: ReadonlyMap<string, string>,
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
      else if (!outcome.repeated) this.#made(event, jti, claimsOf.get(event.id), asked.nowMs);
    }
    return result.claimed.flatMap((claimed) => this.granted(life, claimed, asked));
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
    const problem = this.#grantProblem(note, party, claimed, asked);
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
    const problem = this.#postProblem(grant, url, interactionId);
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

  /** The instance was told what came of a POST. */
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

  party(clientId: string): PartyNote {
    const party = this.parties.get(clientId);
    if (party === undefined) throw new Error(`there is no TPP ${clientId}`);
    return party;
  }

  note(jti: string): Note {
    const note = this.notes.get(jti);
    if (note === undefined) throw new Error(`there is no notification ${jti}`);
    return note;
  }

  #made(event: BankEvent, jti: string | undefined, claims: string | undefined, stampMs: number): void {
    const party = this.parties.get(event.clientId);
    this.events.set(event.id, jti);
    if ((jti === undefined) !== (party === undefined)) this.fail(`${event.id} came to ${jti ?? 'nothing'}`);
    if (jti === undefined || party === undefined) return;
    if (claims === undefined || this.notes.has(jti)) {
      this.fail(`${event.id} became ${jti}, which is not new`);
      return;
    }
    const note: Note = {
      ...{ jti, eventId: event.id, clientId: event.clientId, claims, publishedAtMs: this.#timeline.nowMs },
      ...{ stampMs, ahead: party.awaiting.size },
      ...{ state: 'awaiting', set: undefined, current: undefined, dueAtMs: EVER },
      ...{ failures: 0, failuresOfRound: 0 },
      ...{ acknowledgedAtMs: undefined, acknowledgedThrough: undefined },
      ...{ firstPostAtMs: undefined, isTaken: false },
    };
    this.notes.set(jti, note);
    // Of two commits the second may have been asked for first: what it publishes is the older.
    for (const other of party.awaiting) if (other.stampMs > stampMs) other.ahead += 1;
    party.awaiting.add(note);
  }

  #grantProblem(note: Note, party: PartyNote, claimed: ClaimedNotification, asked: Asked): string | undefined {
    if (note.state !== 'awaiting') return `it is ${note.state}`;
    if (party.isSuspended) return 'its TPP is suspended';
    if (claimed.callbackUrl !== party.url) return `to ${claimed.callbackUrl}`;
    if (JSON.stringify(claimed.claims) !== note.claims) return 'with other claims';
    if (claimed.set !== note.set) return 'without the SET that is kept';
    // A wait of its own holds no probe: that of its callback URL does, and whoever has it leased.
    const isHeld = note.current !== undefined || !party.isUnresponsive;
    if (isHeld && asked.nowMs < note.dueAtMs) {
      return `${note.dueAtMs - asked.nowMs} ms before ${note.current === undefined ? 'it is due' : 'its lease ends'}`;
    }
    const probe = party.isUnresponsive ? party.probes : undefined;
    if (claimed.probe !== probe) return `probe: ${claimed.probe}, not ${probe}`;
    if (party.isUnresponsive && asked.nowMs < party.probeAtMs) return 'a probe too early';
    if (this.#isOver(note, party)) return `after ${note.failuresOfRound} failures`;
    if (claimed.roundAttempts !== note.failures) return `with ${claimed.roundAttempts} attempts, not ${note.failures}`;
    // A probe is one at a time, and waits for no ramp.
    return probe === undefined && this.#isTooMuchForRamp(party) ? 'faster than it ramps up' : undefined;
  }

  /** No limit of the retry policy holds a probe. */
  #isOver({ failuresOfRound }: Note, party: PartyNote): boolean {
    const retriesMax = party.retry?.retriesMax ?? this.#settings.policy.retriesMax;
    return !party.isUnresponsive && failuresOfRound > retriesMax;
  }

  #isTooMuchForRamp(party: PartyNote): boolean {
    const { rampMs, rampPerSecond, rampDoublingMs } = this.#settings.unresponsive;
    const elapsedMs = party.recoveredAtMs === undefined ? EVER : START_MS + this.#timeline.nowMs - party.recoveredAtMs;
    if (elapsedMs < 0 || elapsedMs >= rampMs || this.#settings.clocks !== 'true') return false;
    const allowed = 1 + ((rampPerSecond / 1000) * rampDoublingMs * (2 ** (elapsedMs / rampDoublingMs) - 1)) / Math.LN2;
    return party.claimedSinceRecovery + 1 > allowed;
  }

  #postProblem(grant: Grant, url: string, interactionId: string): string | undefined {
    const { note } = grant;
    const nowMs = this.#timeline.nowMs;
    if (url !== grant.claimed.callbackUrl) return `to ${url}`;
    if (this.#posts.has(interactionId)) return 'under an interaction id that was used';
    if (nowMs > grant.untilMs - this.#settings.timeoutMs + TOLERANCE_MS) {
      return `${(grant.untilMs - nowMs).toFixed(0)} ms before its lease ends, with ${this.#settings.timeoutMs} to go`;
    }
    if (grant.revokedAtMs !== undefined && grant.revokedAtMs + 100 < nowMs) return 'on a claim that it knows is void';
    const isLate = note.acknowledgedAtMs !== undefined && note.acknowledgedAtMs < grant.grantedAtMs;
    return isLate || note.acknowledgedThrough === grant ? 'after its acknowledgement was recorded' : undefined;
  }

  /** A steady TPP waits for nobody. */
  #checkWait(note: Note): void {
    if (note.firstPostAtMs !== undefined) return;
    note.firstPostAtMs = this.#timeline.nowMs;
    const { isRoomy, clocks } = this.#settings;
    const party = this.parties.get(note.clientId);
    if (!isRoomy || clocks !== 'true' || !party?.isSteady) return;
    const waitedMs = note.firstPostAtMs - note.publishedAtMs;
    const isCalm = this.#disturbances === 0 && this.#disturbedAtMs + CALM_AFTER_MS < note.publishedAtMs;
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
    if (!stands || party === undefined) return;
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
    this.#acknowledge(note, grant);
    if (party === undefined) return;
    const isRecovered = party.isUnresponsive && !party.isSuspended && party.url === claimed.callbackUrl;
    if (isRecovered !== (result === 'recovered')) this.fail(`${note.jti} was acknowledged: ${result}`);
    if (isRecovered) this.#recover(party, nowMs);
  }

  #acknowledge(note: Note, through: Grant | undefined): void {
    if (note.state !== 'awaiting') return;
    this.seen.acknowledged += 1;
    Object.assign(note, { state: 'acknowledged', acknowledgedAtMs: this.#timeline.nowMs });
    Object.assign(note, { acknowledgedThrough: through, current: undefined });
    this.parties.get(note.clientId)?.awaiting.delete(note);
  }

  #recover(party: PartyNote, nowMs: number): void {
    this.seen.recovered += 1;
    Object.assign(party, { isUnresponsive: false, recoveredAtMs: nowMs, claimedSinceRecovery: 0 });
    this.#newRound(party);
  }

  /** What is under way has no say any more. */
  #fence(party: PartyNote): void {
    for (const note of party.awaiting) {
      if (note.current === undefined) continue;
      note.current = undefined;
      note.dueAtMs = EVER;
    }
  }

  #newRound(party: PartyNote): void {
    party.round += 1;
    for (const note of party.awaiting) this.#renew(note);
  }

  #renew(note: Note): void {
    Object.assign(note, { failures: 0, failuresOfRound: 0 });
    if (note.current === undefined) note.dueAtMs = EVER;
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
