import { START_MS } from '../../packages/service/test/support/fake-clock.ts';
import type { ClaimedNotification } from '../../packages/service/test/support/parts.ts';
import { EVER } from './expected-state.ts';
import type { Grant, Note, PartyNote } from './ledger.ts';
import type { Settings } from './settings.ts';

// Who may be granted what, and who may send it: rules that need nothing but what they are given.

/** How a claim was asked for. */
export interface Asked {
  readonly atMs: number;
  /** By the clock of who asked. */
  readonly nowMs: number;
  readonly leaseMs: number;
}

// Recording an attempt happens under the lease as well; no attempt may end later than this before the lease does.
const TOLERANCE_MS = 1;

/** Why a claim must not have been granted; undefined: it may. */
export function grantProblem(
  { note, party, claimed, asked }: { note: Note; party: PartyNote; claimed: ClaimedNotification; asked: Asked },
  settings: Settings,
  nowMs: number,
): string | undefined {
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
  if (isOver(note, party, settings)) return `after ${note.failuresOfRound} failures`;
  if (claimed.roundAttempts !== note.failures) return `with ${claimed.roundAttempts} attempts, not ${note.failures}`;
  // A probe is one at a time, and waits for no ramp.
  return probe === undefined && isTooMuchForRamp(party, settings, nowMs) ? 'faster than it ramps up' : undefined;
}

/** No limit of the retry policy holds a probe. */
function isOver({ failuresOfRound }: Note, party: PartyNote, settings: Settings): boolean {
  const retriesMax = party.retry?.retriesMax ?? settings.policy.retriesMax;
  return !party.isUnresponsive && failuresOfRound > retriesMax;
}

function isTooMuchForRamp(party: PartyNote, settings: Settings, nowMs: number): boolean {
  const { rampMs, rampPerSecond, rampDoublingMs } = settings.unresponsive;
  const elapsedMs = party.recoveredAtMs === undefined ? EVER : START_MS + nowMs - party.recoveredAtMs;
  if (elapsedMs < 0 || elapsedMs >= rampMs || settings.clocks !== 'true') return false;
  const allowed = 1 + ((rampPerSecond / 1000) * rampDoublingMs * (2 ** (elapsedMs / rampDoublingMs) - 1)) / Math.LN2;
  return party.claimedSinceRecovery + 1 > allowed;
}

/** Why a POST must not have been made on a claim, as the end of a sentence; undefined: it may. */
export function postProblem(grant: Grant, url: string, timeoutMs: number, nowMs: number): string | undefined {
  const { note } = grant;
  if (url !== grant.claimed.callbackUrl) return `to ${url}`;
  if (nowMs > grant.untilMs - timeoutMs + TOLERANCE_MS) {
    return `${(grant.untilMs - nowMs).toFixed(0)} ms before its lease ends, with ${timeoutMs} to go`;
  }
  if (grant.revokedAtMs !== undefined && grant.revokedAtMs + 100 < nowMs) return 'on a claim that it knows is void';
  const isLate = note.acknowledgedAtMs !== undefined && note.acknowledgedAtMs < grant.grantedAtMs;
  return isLate || note.acknowledgedThrough === grant ? 'after its acknowledgement was recorded' : undefined;
}
