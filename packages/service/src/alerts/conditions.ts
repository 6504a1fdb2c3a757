import type { Config } from '../config/schema.ts';
import type { AlertCondition } from '../model/alert.ts';
import { type ConfiguredCertificate, isOfRoots } from '../trust/certificates.ts';
import { formatPsp } from '../trust/psp-certificate.ts';
import type { TppCertificate } from '../trust/tpp-certificates.ts';
import { utc } from './message.ts';

/** A callback URL that does not acknowledge. */
export interface TroubledTpp {
  readonly clientId: string;
  /** Undefined: it is not registered any more. */
  readonly organisationId: string | undefined;
  readonly softwareStatementId: string | undefined;
  /** When the first attempt failed after the last acknowledgement. */
  readonly failingSinceMs: number | undefined;
  /** Undefined: attempts continue. */
  readonly unresponsiveSinceMs: number | undefined;
  /** Attempts that failed since the last acknowledgement. */
  readonly failures: number;
  /** In a few words, such as `503`; undefined: nothing is known. */
  readonly lastError: string | undefined;
  readonly awaiting: number;
  /** When the oldest awaiting notification was published. */
  readonly oldestAwaitingAtMs: number | undefined;
}

/** Facts about the whole service, the same at every instance. */
export interface SharedFacts {
  readonly troubled: readonly TroubledTpp[];
  readonly awaiting: number;
  readonly awaitingMax: number;
  /** On the disk of the store; undefined where the store is not on this machine. */
  readonly diskFreeBytes: number | undefined;
}

/** Facts about one instance. */
export interface OwnFacts {
  readonly instance: string;
  /** Why it does not sign with the current key; undefined: it does. */
  readonly signingKeyProblem: string | undefined;
  readonly certificates: readonly ConfiguredCertificate[];
  /** Of each TPP the certificate that it uses for transport, and that of its signing keys that expires last. */
  readonly tppCertificates: readonly TppCertificate[];
  /** TPPs of which the directory says that they may no longer act. */
  readonly revokedTpps: readonly { readonly clientId: string; readonly why: string; readonly sinceMs: number }[];
}

/** Thresholds: the section `notify` of the configuration. */
export type Thresholds = Pick<
  Config['notify'],
  'failingAfterMs' | 'expiryDays' | 'backlogMax' | 'storeShare' | 'diskFreeBytesMin'
>;

/** When, by which thresholds, and what held before: an alert on a number is over only once the number is well below. */
export interface Moment extends Thresholds {
  readonly nowMs: number;
  /** Keys of the conditions that were found last. */
  readonly heldBefore: ReadonlySet<string>;
}

const DAY_MS = 86_400_000;
/** Share of a threshold at which an alert that was raised above it is over. */
const OVER_AT = 0.9;

/** The conditions of the service as a whole. Pure. */
export function sharedConditions(facts: SharedFacts, moment: Moment): readonly AlertCondition[] {
  return [
    ...facts.troubled.flatMap((tpp) => conditionOfTpp(tpp, moment)),
    ...backlogCondition(facts, moment),
    ...storeConditions(facts, moment),
  ];
}

/** The conditions of one instance. Pure. */
export function ownConditions(facts: OwnFacts, moment: Moment): readonly AlertCondition[] {
  const { instance, signingKeyProblem } = facts;
  const cannotSign: AlertCondition = {
    key: `cannot-sign ${instance}`,
    kind: 'cannot-sign',
    subject: instance,
    sinceMs: undefined,
    why: `${signingKeyProblem}.`,
    facts: {},
  };
  return [
    ...(signingKeyProblem === undefined ? [] : [cannotSign]),
    ...expiryConditions(facts.certificates, moment),
    ...facts.tppCertificates.flatMap((certificate) => tppExpiryCondition(certificate, moment)),
    ...facts.revokedTpps.map(({ clientId, why, sinceMs }): AlertCondition => {
      return {
        key: `tpp-revoked ${clientId}`,
        kind: 'tpp-revoked',
        subject: clientId,
        sinceMs,
        why: `${why}.`,
        facts: {},
      };
    }),
  ];
}

function conditionOfTpp(tpp: TroubledTpp, { nowMs, failingAfterMs }: Moment): readonly AlertCondition[] {
  const { clientId, unresponsiveSinceMs, failingSinceMs } = tpp;
  const common = { key: `tpp ${clientId}`, subject: clientId, why: whyOf(tpp), facts: factsOf(tpp) };
  if (unresponsiveSinceMs !== undefined) {
    return [{ ...common, kind: 'tpp-unresponsive', sinceMs: unresponsiveSinceMs }];
  }
  if (failingSinceMs === undefined || nowMs - failingSinceMs < failingAfterMs) return [];
  return [{ ...common, kind: 'tpp-failing', sinceMs: failingSinceMs }];
}

function whyOf({ failures, lastError, failingSinceMs }: TroubledTpp): string {
  const attempts = failures === 1 ? '1 attempt' : `${failures} attempts`;
  const since = failingSinceMs === undefined ? '' : ` since ${utc(failingSinceMs)}`;
  const last = lastError === undefined ? '' : `; the last error: ${lastError}`;
  return `${attempts} failed${since}, and none was acknowledged${last}.`;
}

function factsOf({ organisationId, softwareStatementId, ...tpp }: TroubledTpp): AlertCondition['facts'] {
  return {
    ...(organisationId !== undefined && { organisation: organisationId }),
    ...(softwareStatementId !== undefined && { 'software statement': softwareStatementId }),
    awaiting: tpp.awaiting,
    ...(tpp.oldestAwaitingAtMs !== undefined && { 'oldest awaiting': utc(tpp.oldestAwaitingAtMs) }),
  };
}

function backlogCondition({ awaiting, troubled }: SharedFacts, moment: Moment): readonly AlertCondition[] {
  const { backlogMax, heldBefore } = moment;
  const key = 'backlog';
  if (awaiting <= backlogMax * (heldBefore.has(key) ? OVER_AT : 1)) return [];
  const largest = troubled.toSorted((left, right) => right.awaiting - left.awaiting).slice(0, 3);
  const why =
    largest.length === 0
      ? `${awaiting} notifications are awaiting, more than ${backlogMax}; no callback URL is failing.`
      : `${awaiting} notifications are awaiting, more than ${backlogMax}.`;
  const facts = Object.fromEntries(largest.map((tpp) => [`awaiting for ${tpp.clientId}`, tpp.awaiting]));
  return [{ key, kind: 'backlog', subject: '', sinceMs: undefined, why, facts: { awaiting, ...facts } }];
}

function storeConditions({ awaiting, awaitingMax, diskFreeBytes }: SharedFacts, moment: Moment): AlertCondition[] {
  const { storeShare, diskFreeBytesMin, heldBefore } = moment;
  const common = { kind: 'store-nearly-full' as const, subject: '', sinceMs: undefined };
  const [byCount, byDisk] = ['store-nearly-full awaiting', 'store-nearly-full disk'];
  const isFull = awaiting >= awaitingMax * storeShare * (heldBefore.has(byCount) ? OVER_AT : 1);
  const isDiskFull =
    diskFreeBytes !== undefined && diskFreeBytes < diskFreeBytesMin / (heldBefore.has(byDisk) ? OVER_AT : 1);
  return [
    ...(isFull
      ? [
          {
            ...common,
            key: byCount,
            why: `${awaiting} notifications are awaiting, and publishing is refused at ${awaitingMax} ("publishing.awaitingMax").`,
            facts: { awaiting },
          },
        ]
      : []),
    ...(isDiskFull
      ? [
          {
            ...common,
            key: byDisk,
            why: `The disk of the store has ${megabytes(diskFreeBytes)} MB free; publishing is refused below "publishing.diskFreeBytesMin".`,
            facts: { 'free MB': megabytes(diskFreeBytes) },
          },
        ]
      : []),
  ];
}

const megabytes = (bytes: number) => Math.floor(bytes / 1_000_000);

/**
 * A certificate of our own is an alert until it is renewed. Of roots, one that expired is one only for as long as before its
 * expiry, or while no other in its file is valid: files keep old roots beside new ones.
 */
function expiryConditions(certificates: readonly ConfiguredCertificate[], moment: Moment): readonly AlertCondition[] {
  const { nowMs, expiryDays } = moment;
  const warnMs = expiryDays * DAY_MS;
  const hasValidRoot = new Set(
    certificates.filter(({ notAfterMs }) => notAfterMs > nowMs).map(({ setting }) => setting),
  );
  const expiring = certificates.filter(({ setting, notAfterMs }) => {
    if (notAfterMs - nowMs > warnMs) return false;
    return !isOfRoots(setting) || !hasValidRoot.has(setting) || nowMs - notAfterMs < warnMs;
  });
  return expiring.flatMap((certificate) =>
    stagesOf(certificate, moment).map(({ days, suffix }): AlertCondition => {
      const { setting, subject, notAfterMs, fingerprint } = certificate;
      const when = notAfterMs > nowMs ? `expires in ${daysOf(notAfterMs - nowMs)}` : 'has expired';
      return {
        key: `certificate ${setting} ${fingerprint}${suffix}`,
        kind: setting.startsWith('signing.') ? 'signing-key-expires' : 'certificate-expires',
        subject: setting,
        sinceMs: notAfterMs - days * DAY_MS,
        why: `${subject} ${when}, at ${utc(notAfterMs)}.`,
        facts: { certificate: subject, expires: utc(notAfterMs), fingerprint },
      };
    }),
  );
}

/** One alert each: it is for the TPP to renew it. A TPP that stays away after its certificate has expired is left alone after a while. */
function tppExpiryCondition(certificate: TppCertificate, { nowMs, expiryDays }: Moment): readonly AlertCondition[] {
  const { clientId, use, subject, notAfterMs, fingerprint, psp } = certificate;
  const warnMs = expiryDays * DAY_MS;
  if (Math.abs(notAfterMs - nowMs) > warnMs) return [];
  const when = notAfterMs > nowMs ? `expires in ${daysOf(notAfterMs - nowMs)}` : 'has expired';
  const condition: AlertCondition = {
    key: `tpp-certificate ${clientId} ${use} ${fingerprint}`,
    kind: 'tpp-certificate-expires',
    subject: clientId,
    sinceMs: notAfterMs - warnMs,
    why: `Its certificate for ${use} ${when}, at ${utc(notAfterMs)}.`,
    facts: { certificate: subject, ...(psp && { kind: formatPsp(psp) }), expires: utc(notAfterMs), fingerprint },
  };
  return [condition];
}

const LAST_WARNING_DAYS = 3;

/** The alerts that a certificate of our own has had so far: the first could be forgotten in three weeks. */
function stagesOf({ setting, notAfterMs }: ConfiguredCertificate, { nowMs, expiryDays }: Moment) {
  const first = { days: expiryDays, suffix: '' };
  if (isOfRoots(setting)) return [first];
  const last = { days: Math.min(LAST_WARNING_DAYS, expiryDays), suffix: ' last warning' };
  const stages = [first, ...(expiryDays > LAST_WARNING_DAYS ? [last] : []), { days: 0, suffix: ' expired' }];
  return stages.filter(({ days }) => notAfterMs - nowMs <= days * DAY_MS);
}

function daysOf(ms: number): string {
  const days = Math.floor(ms / DAY_MS);
  if (days === 0) return 'less than a day';
  return days === 1 ? '1 day' : `${days} days`;
}
