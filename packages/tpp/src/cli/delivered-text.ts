import type { EventNotification } from '../notification/event-notification.ts';
import type { NotificationEvent } from '../notification/notification-event.ts';
import { safeText } from '../safe-text.ts';
import type { Delivered } from './deliveries.ts';
import { VALUE_CHARS_MAX } from './inputs.ts';
import { describeFinding } from './inspect-command.ts';

const LABEL_CHARS = 12;

/** The outcome of a request, in lines for a person. No text of the token has control characters here. */
export function describeDelivered(delivered: Delivered): string[] {
  const { atMs, status, interactionId, outcome } = delivered;
  const head = `${new Date(atMs).toISOString()}  ${status}`;
  const interaction = fact('interaction', interactionId);
  if (outcome === 'notification')
    return [`${head}  verified and acknowledged`, ...factsOf(delivered.notification), interaction, ''];
  if (outcome === 'duplicate') return [`${head}  acknowledged again: it was shown before`, interaction, ''];
  const { code, message, remedy } = delivered.refusal;
  const why = [fact('why', message), fact('remedy', remedy)];
  const findings = delivered.findings.map((each) => `  ${describeFinding(each).replaceAll('\n', '\n  ')}`);
  return [`${head}  refused: ${code}`, ...why, interaction, ...findings, ''];
}

/** The outcome of a request, as one JSON object. Has the claims and not the token. */
export function jsonOf(delivered: Delivered): object {
  const { atMs, ...common } = delivered;
  const at = new Date(atMs).toISOString();
  if (common.outcome === 'notification') {
    const { notification, ...rest } = common;
    const { jti, kind, eventTypes, resourceType, resourceId, reason, links, claims } = notification;
    return { at, ...rest, jti, kind, eventTypes, resourceType, resourceId, reason, links, claims };
  }
  if (common.outcome === 'duplicate') return { at, ...common };
  const { refusal, ...rest } = common;
  const { code, message, remedy } = refusal;
  return { at, ...rest, code, message, remedy };
}

function factsOf({ jti, events, claims }: EventNotification): string[] {
  const times = [fact('occurred', timeOf(claims.toe)), fact('created', timeOf(claims.iat))];
  return [fact('jti', jti), ...events.flatMap(eventFacts), fact('uri', claims.sub), fact('txn', claims.txn), ...times];
}

function eventFacts({ kind, eventType, resourceType, resourceId, reason, links }: NotificationEvent): string[] {
  return [
    fact('event', kind === 'other' ? eventType : kind),
    fact('resource', `${resourceType ?? 'of no type'} ${resourceId ?? 'without an id'}`),
    ...(reason === undefined ? [] : [fact('reason', reason)]),
    ...links.map(({ version, link }) => fact('link', `${version} ${link}`)),
  ];
}

function timeOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  // A time may be up to what a JSON number holds exactly, of which a Date knows a part.
  return Number.isNaN(date.valueOf()) ? String(seconds) : date.toISOString();
}

function fact(label: string, value: string): string {
  return `  ${label.padEnd(LABEL_CHARS)}${safeText(value, 2 * VALUE_CHARS_MAX)}`;
}
