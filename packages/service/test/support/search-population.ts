import { createHash, randomBytes } from 'node:crypto';
import {
  buildSetClaims,
  CONSENT_AUTHORIZATION_REVOKED,
  RESOURCE_UPDATE,
  type SetClaims,
  standardEventType,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '@tidings/protocol';
import { type SearchFilter, searchKey, typesOf } from '../../src/store/search.ts';

/** How a store is filled for measuring: 60 days of notifications that end now. */
export interface Filling {
  readonly notifications: number;
  readonly clientIds: readonly string[];
  readonly endsAtMs: number;
  /** Told now and then how many are written. */
  readonly onProgress: (written: number) => void;
}

/** A notification as it is written. */
export interface Filled {
  readonly seq: number;
  readonly jti: string;
  readonly eventId: string;
  readonly clientId: string;
  readonly fingerprint: string;
  readonly claims: SetClaims;
  readonly types: string;
  readonly txnKey: number;
  readonly resourceKey: number;
  readonly resourceId: string;
  readonly publishedAtMs: number;
  readonly state: 'awaiting' | 'acknowledged' | 'withdrawn' | 'expired';
  readonly acknowledgedBy: 'push' | 'poll' | undefined;
  readonly settledAtMs: number;
  /** The attempt as it is recorded; undefined: there was none. */
  readonly attempt: object | undefined;
}

const SPAN_MS = 60 * 86_400_000;
const LINK = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/';
/** How often the rare TPP and the rare event type occur. */
const RARE = 25;
/** The resource of one in a hundred notifications. */
const COMMON_RESOURCE = 'consent-of-many';
// A SET with a signature of 2048 bits, base64url: as long as its claims make it, and as hard to compress.
const SET_LENGTH = 1600;
const NOISE = randomBytes(65_536).toString('base64url');

/** Some text of the length of a SET. */
export function setOf(seq: number): string {
  const at = (seq * 7919) % (NOISE.length - SET_LENGTH);
  return NOISE.slice(at, at + SET_LENGTH);
}

/** All of it, in the order of publishing; the same for the same numbers. */
export function* populationOf(filling: Filling): Generator<Filled> {
  for (let seq = 1; seq <= filling.notifications; seq += 1) yield filledOf(seq, filling);
}

function filledOf(seq: number, { notifications, clientIds, endsAtMs }: Filling): Filled {
  const publishedAtMs = Math.floor(endsAtMs - SPAN_MS + (seq / notifications) * SPAN_MS);
  const [id, jti, dice] = [idOf('event', seq), idOf('jti', seq), searchKey(String(seq * 31)) >>> 0];
  const rare = Math.max(2, Math.floor(notifications / RARE));
  const clientId = clientIdOf(seq, dice, { rare, clientIds });
  const urns = urnsOf(seq, dice, rare);
  const resourceId = dice % 100 === 1 ? COMMON_RESOURCE : id;
  const uri = `${LINK}${id}`;
  const claims = buildSetClaims({
    ...{ issuer: 'https://bank.example/', jti, clientId, nowMs: publishedAtMs, occurredAtMs: publishedAtMs - 500 },
    ...{
      transactionId: idOf('txn', seq),
      resource: { id: resourceId, type: 'domestic-payment', uri, links: [{ version: 'v4.0', link: uri }] },
    },
    events: urns.flatMap((urn) => standardEventType(urn) ?? []).map((type) => ({ type })),
  });
  const state = stateOf(dice, seq / notifications);
  const by = dice % 5 > 0 ? 'push' : 'poll';
  const isTried = state === 'acknowledged' ? by === 'push' : dice % 3 === 0;
  return {
    ...{ seq, jti, eventId: id, clientId, claims, types: typesOf(claims), resourceId, publishedAtMs, state },
    ...{ txnKey: searchKey(claims.txn), resourceKey: searchKey(resourceId), settledAtMs: publishedAtMs + 250 },
    fingerprint: createHash('sha256').update(id).digest('hex'),
    ...{ acknowledgedBy: state === 'acknowledged' ? by : undefined },
    attempt: isTried ? attemptOf(id, state === 'acknowledged', publishedAtMs) : undefined,
  };
}

function clientIdOf(
  seq: number,
  dice: number,
  { rare, clientIds }: { readonly rare: number; readonly clientIds: readonly string[] },
): string {
  const [common = '', rareOne = '', ...others] = clientIds;
  if (seq % rare === 3) return rareOne;
  return dice % 10 === 0 ? common : (others[dice % others.length] ?? common);
}

function urnsOf(seq: number, dice: number, rare: number): string[] {
  if (seq % rare === 5) return [VRP_LINKED_ACCOUNT_UPDATE];
  const part = (dice >>> 8) % 100;
  if (part < 80) return [RESOURCE_UPDATE];
  return part < 95 ? [CONSENT_AUTHORIZATION_REVOKED] : [RESOURCE_UPDATE, CONSENT_AUTHORIZATION_REVOKED];
}

/** Of what is older one in a hundred still awaits; of the newest all. @param age 0: the oldest, 1: the newest */
function stateOf(dice: number, age: number): Filled['state'] {
  const part = (dice >>> 5) % 1000;
  if (age > 0.998 || part < 10) return 'awaiting';
  if (part < 15) return 'withdrawn';
  return part < 16 ? 'expired' : 'acknowledged';
}

function attemptOf(id: string, isAcknowledged: boolean, publishedAtMs: number): object {
  return {
    ...{ startedAtMs: publishedAtMs + 5, durationMs: 20, interactionId: id },
    callbackUrl: 'https://tpp.example/open-banking/v4.0/event-notifications',
    outcome: isAcknowledged
      ? { kind: 'acknowledged', status: 202, interactionIdEchoed: true }
      : { kind: 'refused', status: 500 },
  };
}

/** As random as a UUID, and the same each time. */
function idOf(kind: string, seq: number): string {
  const hex = createHash('md5').update(`${kind}-${seq}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Every kind of search, with values that mean few and many, by name. */
export function searchesOf(filling: Filling): Readonly<Record<string, SearchFilter>> {
  const { clientIds, notifications, endsAtMs } = filling;
  const [common = '', rare = '', ordinary = ''] = clientIds;
  const { jti, eventId, claims, resourceId } = filledOf(Math.floor(notifications / 2), filling);
  const dayAgo = (days: number) => endsAtMs - days * 86_400_000;
  const times = { publishedFromMs: dayAgo(31), publishedBeforeMs: dayAgo(30) };
  return {
    'nothing: the newest of all': {},
    jti: { jti },
    'jti of nothing': { jti: 'nothing' },
    'event id': { eventId },
    'transaction id': { transactionId: claims.txn },
    'transaction id of nothing': { transactionId: 'nothing' },
    'resource id of one': { resourceId: resourceId === COMMON_RESOURCE ? 'nothing' : resourceId },
    'resource id of one in a hundred': { resourceId: COMMON_RESOURCE },
    'TPP with a tenth of all': { clientId: common },
    'TPP with 25': { clientId: rare },
    'TPP and a day a month ago': { clientId: ordinary, ...times },
    'TPP and a rare event type': { clientId: common, eventType: VRP_LINKED_ACCOUNT_UPDATE },
    'TPP and expired': { clientId: common, state: 'expired' },
    'TPP and awaiting': { clientId: common, state: 'awaiting' },
    'TPP, awaiting, a rare event type': { clientId: common, state: 'awaiting', eventType: VRP_LINKED_ACCOUNT_UPDATE },
    'event type of most': { eventType: RESOURCE_UPDATE },
    'event type of 25': { eventType: VRP_LINKED_ACCOUNT_UPDATE },
    'event type and a day a month ago': { eventType: CONSENT_AUTHORIZATION_REVOKED, ...times },
    awaiting: { state: 'awaiting' },
    'awaiting, published a month ago': { state: 'awaiting', ...times },
    'awaiting and a rare event type': { state: 'awaiting', eventType: VRP_LINKED_ACCOUNT_UPDATE },
    failed: { state: 'failed' },
    'failed of a TPP': { state: 'failed', clientId: ordinary },
    acknowledged: { state: 'acknowledged' },
    withdrawn: { state: 'withdrawn' },
    'expired and a rare event type': { state: 'expired', eventType: VRP_LINKED_ACCOUNT_UPDATE },
    'a day a month ago': times,
    'acknowledged, a month ago, of a resource': { ...times, state: 'acknowledged', resourceId: COMMON_RESOURCE },
    'resource id and a rare event type': { resourceId: COMMON_RESOURCE, eventType: VRP_LINKED_ACCOUNT_UPDATE },
  };
}
