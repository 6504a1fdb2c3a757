// Answers of the operator API that the service of the tests does not give by itself.

/** Notifications on a page of {@link foundPage}. */
export const FOUND_PAGE = 2000;

/** jti of a notification, by its position. */
export const jtiOf = (at: number) => `01900000-0000-7000-8000-${String(at).padStart(12, '0')}`;

/** A page of a search that finds notifications without end. */
export function foundPage(number: number, hasNext: boolean) {
  const notifications = Array.from({ length: FOUND_PAGE }, (_, at) => ({
    ...{ jti: jtiOf(number * FOUND_PAGE + at), clientId: 'tpp-good', eventId: 'event-1', state: 'acknowledged' },
    ...{ publishedAt: '2026-01-01T00:00:00.000Z', attempts: 1 },
    eventTypes: ['urn:uk:org:openbanking:events:resource-update'],
  }));
  return { notifications, ...(hasNext && { next: String(number + 1) }) };
}

const agoOf = (ms: number) => new Date(Date.now() - ms).toISOString();

/** Keys of a TPP that are too old, because the last fetch failed. */
export function oldKeys() {
  const keys = [
    { kid: 'one', state: 'usable' },
    { kid: 'two', state: 'left-out', reason: 'its alg is not PS256' },
  ];
  const lastFailure = { at: agoOf(0), reason: 'the JWKS was answered with status 503' };
  return { from: 'url', keys, fetchedAt: agoOf(300_000), usableUntil: lastFailure.at, lastFailure };
}

/** Alerts: an instance cannot sign, and the backlog is above its limit. */
export function alertsOfService() {
  const alert = {
    ...{ id: '1', kind: 'cannot-sign', state: 'open', subject: 'host:8444', facts: {}, messages: [] },
    ...{ title: 'host:8444 cannot sign', why: 'It lacks the key bank-2.', nextCommand: 'tidings keys list' },
    ...{ since: agoOf(300_000), raisedAt: agoOf(0) },
  };
  const backlog = { ...alert, id: '2', kind: 'backlog', title: 'The backlog is above its limit', why: 'Much awaits.' };
  return { alerts: [backlog, alert], destinations: [] };
}
