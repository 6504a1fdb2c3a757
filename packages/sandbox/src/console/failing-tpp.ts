import type { EventNotification } from '@tidings/tpp';
import { notifyOfChange } from '../play/publishing.ts';
import { startSampleTpp } from '../sample-tpp/sample-tpp.ts';
import { FAILING_CLIENT_ID, HOST, type Sandbox } from '../sandbox.ts';

const SOFTWARE_STATEMENT_ID = 'TidingsSampleTpp000002';
const UNAVAILABLE = 503;
const EVENTS_FIRST = 3;
// Its callback URL is unresponsive after about 16 seconds, so that a newcomer sees it happen.
const RETRIES_MAX = 6;

/** A second TPP, whose endpoint is down until somebody repairs it. */
export interface FailingTpp {
  setIsDown(isDown: boolean): void;
  close(): Promise<void>;
}

/**
 * Starts a second application of the sample TPP's organisation, registers it, and publishes events for it that it answers with
 * 503, so that an operator finds something to look into.
 */
export async function startFailingTpp(
  sandbox: Sandbox,
  onReceived: (notification: EventNotification) => void,
): Promise<FailingTpp> {
  // One organisation with one transport certificate may have several software statements.
  const participant = { ...sandbox.pki.tpp, softwareStatementId: SOFTWARE_STATEMENT_ID };
  const pki = { ...sandbox.pki, tpp: participant };
  const tpp = await startSampleTpp({
    ...{ host: HOST, port: 0, clientId: FAILING_CLIENT_ID, pki, bank: sandbox.facts, onReceived },
  });
  try {
    tpp.receiver.failAll(UNAVAILABLE);
    const { organisationId, softwareStatementId, signing } = participant;
    await sandbox.bank.registerTpp(FAILING_CLIENT_ID, {
      ...{ organisationId, softwareStatementId, jwks: { keys: [signing.publicJwk] } },
      retry: { retriesMax: RETRIES_MAX },
    });
    const client = await tpp.connect('payments');
    try {
      await client.eventSubscriptions.ensure({ callbackUrl: tpp.callbackUrl, version: '4.0' });
    } finally {
      client.close();
    }
    for (let count = 0; count < EVENTS_FIRST; count += 1) {
      await notifyOfChange(sandbox, { change: 'payment-settled', clientId: FAILING_CLIENT_ID });
    }
  } catch (error) {
    await tpp.close();
    throw error;
  }
  return { setIsDown: (isDown) => tpp.receiver.failAll(isDown ? UNAVAILABLE : undefined), close: tpp.close };
}
