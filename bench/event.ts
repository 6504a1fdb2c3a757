import { randomUUID } from 'node:crypto';

/** A payment that changed status, as the bank publishes it. */
export function makeEvent(clientId: string) {
  const id = randomUUID();
  const uri = `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${id}`;
  return {
    id,
    clientId,
    transactionId: id,
    occurredAt: new Date().toISOString(),
    resource: { id, type: 'domestic-payment', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type: 'UK.OBIE.Resource-Update' }],
  };
}
