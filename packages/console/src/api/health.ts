import type { Schemas } from './client.ts';

export type CallbackUrl = Schemas['CallbackUrlPage']['callbackUrls'][number];
export type Alert = Schemas['AlertPage']['alerts'][number];
type Attempt = CallbackUrl['lastOutcomes'][number];

/** The outcome of an attempt, in a few words: with the error that the TPP named (RFC 8935), where it named one. */
export function describeAttempt(attempt: Pick<Attempt, 'outcome' | 'status' | 'errorClass' | 'err'>): string {
  const { outcome, status, errorClass, err } = attempt;
  if (outcome === 'acknowledged') return `acknowledged${status === undefined ? '' : ` (${status})`}`;
  if (outcome === 'refused') return `refused with ${status ?? 'a status'}${err === undefined ? '' : `: ${err}`}`;
  return ERROR_TEXTS[errorClass ?? ''] ?? `unreachable: ${errorClass ?? 'no answer'}`;
}

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  'forbidden-address': 'its address is not allowed by "delivery.callbackAddressesAllowed"',
  dns: 'its host name was not found',
  connect: 'no connection could be made',
  tls: 'the TLS handshake failed',
  timeout: 'no answer in time',
  reset: 'the connection was cut off',
  malformed: 'the answer was no HTTP',
  oversized: 'the answer was too large',
};

/** Callback URLs that need somebody, the worst and those with most awaiting first. */
export function needingAttention(all: readonly CallbackUrl[]): readonly CallbackUrl[] {
  const rank = ({ state }: CallbackUrl) => (state === 'unresponsive' ? 0 : 1);
  return all
    .filter(({ state }) => state !== 'healthy')
    .toSorted((left, right) => rank(left) - rank(right) || right.awaiting - left.awaiting);
}

/**
 * Open alerts, the worst first and then the oldest. Those about a TPP whose callback URL is known are left out, since its state is
 * newer; of several about one cause, such as the two warnings before a certificate expires, the first stays.
 */
export function furtherAlerts(alerts: readonly Alert[], urls: readonly CallbackUrl[]): readonly Alert[] {
  const known = new Set(urls.map(({ clientId }) => clientId));
  const ofCause = new Map<string, Alert>();
  for (const each of alerts.toSorted((left, right) => left.since.localeCompare(right.since))) {
    const cause = JSON.stringify([each.kind, each.subject, each.why]);
    if (!ofCause.has(cause) && !(isOfTpp(each) && known.has(each.subject))) ofCause.set(cause, each);
  }
  return [...ofCause.values()].toSorted((left, right) => Number(stopsWork(right)) - Number(stopsWork(left)));
}

/** Whether an alert is about a TPP; its subject is the client_id then. */
function isOfTpp({ kind }: Pick<Alert, 'kind'>): boolean {
  return kind === 'tpp-failing' || kind === 'tpp-unresponsive';
}

/** Whether an alert says that an instance cannot do its work. */
export function stopsWork({ kind }: Pick<Alert, 'kind'>): boolean {
  return kind === 'cannot-sign';
}

/** Since when it fails. */
export function failingSince({ failingSince: since, unresponsiveSince }: CallbackUrl): string | undefined {
  return since ?? unresponsiveSince;
}

/** The next thing for a person to do about it. */
export function nextStep(each: CallbackUrl): string {
  const [last] = each.lastOutcomes;
  if (each.state === 'unresponsive') return 'Ask the TPP, then probe it';
  if (last?.errorClass === 'forbidden-address') return 'Allow the address, or ask the TPP to change it';
  return 'Retried by itself; tell the TPP if it goes on';
}

/** The light of the home view. */
export interface Light {
  readonly tone: 'good' | 'warn' | 'bad';
  readonly word: string;
  readonly reasons: readonly string[];
}

const LATE_MS = 300_000;

/** The facts that the light is derived from. */
interface Facts {
  readonly status: Schemas['Status'];
  readonly urls: readonly CallbackUrl[];
  /** Those that are open. */
  readonly alerts: readonly Alert[];
}

/** The state of the service, as a person on duty must know it first. @param nowMs time of this machine */
export function lightOf({ status, urls, alerts }: Facts, nowMs: number): Light {
  const bad: string[] = [];
  const warn: string[] = [];
  if (status.publishing === 'closed')
    bad.push(`Publishing is closed: ${status.publishingClosedBecause ?? 'no reason given'}`);
  const { intake } = status;
  if (intake !== undefined && intake.state !== 'reading')
    bad.push(`Intake from Kafka: ${intake.because ?? intake.state}`);
  if (status.signingKeyProblem !== undefined) bad.push(`Signing: ${status.signingKeyProblem}`);
  const attention = needingAttention(urls);
  const dead = attention.filter(({ state }) => state === 'unresponsive');
  if (dead.length > 0) warn.push(`${countOf(dead.length, 'callback URL is', 'callback URLs are')} unresponsive`);
  const failing = attention.length - dead.length;
  if (failing > 0) warn.push(`${countOf(failing, 'callback URL is', 'callback URLs are')} failing`);
  const { oldestAwaitingAt } = status;
  const isLate = oldestAwaitingAt !== undefined && nowMs - Date.parse(oldestAwaitingAt) > LATE_MS;
  if (isLate && attention.length === 0) warn.push('The oldest notification has been awaiting for over five minutes');
  const further = furtherAlerts(alerts, urls);
  bad.push(...titlesOf(further.filter(stopsWork)));
  warn.push(...titlesOf(further.filter((each) => !stopsWork(each))));
  if (bad.length > 0) return { tone: 'bad', word: 'Not working', reasons: [...bad, ...warn] };
  if (warn.length > 0) return { tone: 'warn', word: 'Needs attention', reasons: warn };
  return { tone: 'good', word: 'All quiet', reasons: ['Events are accepted, and every callback URL answers'] };
}

/** Several certificates of one file have the same title. */
function titlesOf(alerts: readonly Alert[]): readonly string[] {
  return [...new Set(alerts.map(({ title }) => title))];
}

export function countOf(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en-GB')} ${count === 1 ? one : many}`;
}
