import { printable } from '../base/terminal-text.ts';
import type { Alert, AlertKind, MessageKind } from '../model/alert.ts';

/** Addresses for the links of messages. */
export interface Links {
  readonly runbookUrl: string;
  /** Undefined: there are no links to the console. */
  readonly consoleUrl?: string | undefined;
}

/** A message about one alert, before it gets the form of a destination. */
export interface Message {
  readonly alertId: string;
  readonly kind: MessageKind;
  /** Kind of the alert, also where the message is about its end. */
  readonly alertKind: AlertKind | 'test';
  readonly subject: string;
  /** One line. */
  readonly title: string;
  /** One sentence. */
  readonly why: string;
  readonly sinceMs: number;
  /** Undefined: it still holds. */
  readonly clearedAtMs: number | undefined;
  readonly facts: Readonly<Record<string, string | number>>;
  /** The next command to type. */
  readonly command: string;
  readonly runbookUrl: string;
  readonly consoleUrl: string | undefined;
}

interface Wording {
  /** @param subject client_id, setting or instance */
  readonly title: (subject: string) => string;
  readonly recovered: (subject: string) => string;
  readonly command: (subject: string) => string;
  /** The command once it is over. Default: the same. */
  readonly afterwards?: (subject: string) => string;
  /** Heading in the runbooks. */
  readonly runbook: string;
  /** Path in the console. */
  readonly page: (subject: string) => string;
}

const home = () => '/';

const WORDINGS: Readonly<Record<AlertKind, Wording>> = {
  'tpp-failing': {
    title: (tpp) => `${tpp} is failing: its callback URL does not acknowledge`,
    recovered: noLongerFailing,
    command: (tpp) => `tidings registrations show ${argument(tpp)}`,
    runbook: 'tidingscallbackurlfailing',
    page: pageOfTpp,
  },
  'tpp-unresponsive': {
    title: (tpp) => `${tpp} is unresponsive: attempts stopped, only probes are sent`,
    recovered: noLongerFailing,
    afterwards: (tpp) => `tidings registrations show ${argument(tpp)}`,
    command: (tpp) => `tidings tpps recover ${argument(tpp)} --probe`,
    runbook: 'tidingscallbackurlunresponsive',
    page: pageOfTpp,
  },
  'certificate-expires': {
    title: (setting) => `A certificate expires: ${setting}`,
    recovered: (setting) => `The certificate was renewed: ${setting}`,
    command: () => 'tidings doctor --config /etc/tidings/tidings.json',
    runbook: 'tidingscertificateexpires',
    page: () => '/system',
  },
  'tpp-certificate-expires': {
    title: (tpp) => `A certificate of ${tpp} expires`,
    recovered: (tpp) => `The certificate of ${tpp} was renewed, or is no longer watched`,
    command: (tpp) => `tidings tpps show ${argument(tpp)}`,
    runbook: 'tidingscertificateexpires',
    page: pageOfTpp,
  },
  'tpp-revoked': {
    title: (tpp) => `${tpp} may no longer act, says the directory`,
    recovered: (tpp) => `${tpp} may act again, or is no longer looked up`,
    command: (tpp) => `tidings tpps show ${argument(tpp)}`,
    runbook: 'tidingstpprevoked',
    page: pageOfTpp,
  },
  'signing-key-expires': {
    title: (setting) => `The certificate of a signing key expires: ${setting}`,
    recovered: (setting) => `The certificate of the signing key was renewed: ${setting}`,
    command: () => 'tidings keys list',
    runbook: 'tidingssigningkeyexpires',
    page: () => '/signing-keys',
  },
  'store-nearly-full': {
    title: () => 'The store is nearly full: publishing will be refused',
    recovered: () => 'The store has room again',
    command: () => 'tidings status',
    runbook: 'tidingsstorenearlyfull',
    page: home,
  },
  backlog: {
    title: () => 'The backlog is above its limit',
    recovered: () => 'The backlog is below its limit again',
    command: () => 'tidings status',
    runbook: 'tidingsbackloggrows',
    page: home,
  },
  'cannot-sign': {
    title: (instance) => `${instance} cannot sign with the current signing key`,
    recovered: (instance) => `${instance} signs with the current signing key, or has stopped`,
    command: () => 'tidings keys list',
    runbook: 'tidingssigningkeyproblem',
    page: () => '/signing-keys',
  },
};

/** An alert is over as well when the callback URL was replaced or the TPP suspended: nobody can say then that it works. */
function noLongerFailing(clientId: string): string {
  return `${clientId} has recovered: its callback URL is no longer failing`;
}

function pageOfTpp(clientId: string): string {
  return `/tpps/${encodeURIComponent(clientId)}`;
}

/** An argument as a POSIX shell takes it, whatever a client_id holds. */
function argument(text: string): string {
  return /^[\w.:@%+=/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const TEXT_MAX = 500;

/** Text of others on one line, without control characters, and not too long. */
function safe(text: string): string {
  const line = printable(text);
  return line.length <= TEXT_MAX ? line : `${line.slice(0, TEXT_MAX)}…`;
}

/** The line that says what an alert is, and the next command to type. Pure. */
export function describeAlert(
  alert: Pick<Alert, 'kind' | 'subject'>,
  isOver: boolean,
): Pick<Message, 'title' | 'command'> {
  const wording = WORDINGS[alert.kind];
  const subject = safe(alert.subject);
  return {
    title: isOver ? wording.recovered(subject) : wording.title(subject),
    command: (isOver && wording.afterwards ? wording.afterwards : wording.command)(subject),
  };
}

/** Writes the message about an alert. Pure. Text that a TPP chose holds no control characters in it. */
export function messageOf(alert: Alert, kind: MessageKind, links: Links): Message {
  const isRecovery = kind === 'recovered';
  const alertKind = isRecovery ? alert.kind : kind;
  const wording = WORDINGS[alertKind];
  return {
    ...{ alertId: alert.id, kind, alertKind, subject: safe(alert.subject) },
    ...describeAlert({ ...alert, kind: alertKind }, isRecovery),
    why: safe(alert.why),
    sinceMs: alert.sinceMs,
    clearedAtMs: alert.clearedAtMs,
    facts: Object.fromEntries(
      Object.entries(alert.facts).map(([name, value]) => [name, typeof value === 'string' ? safe(value) : value]),
    ),
    runbookUrl: `${links.runbookUrl}#${wording.runbook}`,
    consoleUrl: links.consoleUrl && `${links.consoleUrl.replace(/\/$/, '')}${wording.page(alert.subject)}`,
  };
}

/** The message with which an operator tries a destination. Pure. */
export function testMessage(destination: string, nowMs: number, links: Links): Message {
  return {
    ...{ alertId: 'test', kind: 'recovered', alertKind: 'test', subject: destination },
    title: `Test of the destination ${destination}`,
    why: 'Somebody tried this destination. Nothing is wrong.',
    sinceMs: nowMs,
    clearedAtMs: nowMs,
    facts: {},
    command: 'tidings alerts list',
    runbookUrl: links.runbookUrl,
    consoleUrl: links.consoleUrl,
  };
}

/** The type of a message, as a machine reads it: its kind, `test`, or `several`. */
export function typeOf([first, ...others]: readonly Message[]): string {
  if (others.length > 0 || first === undefined) return 'several';
  return first.alertKind === 'test' ? 'test' : first.kind;
}

/** The title of messages that are sent together. Pure. */
export function titleOf(messages: readonly Message[]): string {
  const [only] = messages;
  if (messages.length === 1 && only !== undefined) return only.title;
  const recovered = messages.filter(({ kind }) => kind === 'recovered').length;
  const raised = messages.length - recovered;
  const parts = [...(raised > 0 ? [`${raised} raised`] : []), ...(recovered > 0 ? [`${recovered} over`] : [])];
  return `${messages.length} alerts: ${parts.join(', ')}`;
}

/** A time as people read it, in UTC. */
export function utc(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

/** The lines of a message below its title, each with a label. Pure. */
export function linesOf(message: Message): readonly (readonly [label: string, value: string])[] {
  const { sinceMs, clearedAtMs, why, facts, command, runbookUrl, consoleUrl } = message;
  return [
    ['since', utc(sinceMs)],
    ...(clearedAtMs === undefined ? [] : [['until', utc(clearedAtMs)] as const]),
    ['why', why],
    ...Object.entries(facts).map(([label, value]) => [label, String(value)] as const),
    ['next', command],
    ['runbook', runbookUrl],
    ...(consoleUrl === undefined ? [] : [['console', consoleUrl] as const]),
  ];
}

/** Most messages that are written out when they are sent together; the others are counted. */
export const WRITTEN_OUT_MAX = 20;

/** Messages as plain text. Pure. */
export function textOf(messages: readonly Message[]): string {
  const shown = messages.slice(0, WRITTEN_OUT_MAX).map((message) => {
    const lines = linesOf(message).map(([label, value]) => `  ${label}: ${value}`);
    return [message.title, ...lines].join('\n');
  });
  const more = messages.length - shown.length;
  const rest = more > 0 ? [`… and ${more} more: tidings alerts list`] : [];
  return `${[...shown, ...rest].join('\n\n')}\n`;
}
