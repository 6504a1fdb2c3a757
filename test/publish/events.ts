const REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';

/** An event of a TPP, as JSON publishing takes it. */
export function eventOf(clientId: string, id: string, changes: object = {}): Record<string, unknown> {
  const uri = `https://bank.example/open-banking/v4.0/aisp/account-access-consents/${id}`;
  return {
    ...{ id, clientId, occurredAt: '2026-01-02T03:04:05Z' },
    resource: { id, type: 'account-access-consent', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type: REVOKED }],
    ...changes,
  };
}

/** The same as a CloudEvent, whose event id is `/core|id`. */
export function cloudEventOf(clientId: string, id: string): Record<string, unknown> {
  const { resource, occurredAt } = eventOf(clientId, id);
  return { specversion: '1.0', source: '/core', id, type: REVOKED, time: occurredAt, data: { clientId, resource } };
}

/** One a line. */
export function ndjson(lines: readonly (object | string)[]): string {
  return lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');
}
