import { buildSetClaims, EventTypeCatalogue, type SetClaims, signSet } from '@tidings/protocol';
import { makeParticipant, type Participant } from '@tidings/testing';
import type { NotificationHandlerOptions, ReceiverSettings } from '@tidings/tpp';

export const BANK_ORG_ID = '0015800000jfQ9aAAE';
export const TPP_SIGNER = '0015800001ZEZ3WAAX/5bXdQp7dWp0Abcdefg';
export const ISSUER = 'https://bank.example/';
export const CLIENT_ID = 'tpp-client-1';
export const NOW_MS = 1_763_700_000_000;
export const INTERACTION_ID = '93bac548-d2de-4546-b106-880a5018460d';

const bankMade = makeParticipant(BANK_ORG_ID, 'bank-key-1');

/** The bank of this test file, its key made once. */
export function testBank(): Promise<Participant> {
  return bankMade;
}

/** Claims of a resource-update about a payment. */
export function makeClaims(changes: Partial<SetClaims> = {}): SetClaims {
  const type = new EventTypeCatalogue().find('UK.OBIE.Resource-Update');
  if (type === undefined) throw new Error('the catalogue lacks resource-update');
  const uri = 'https://bank.example/open-banking/v4.0/pisp/domestic-payments/pmt-7290-003';
  const claims = buildSetClaims({
    issuer: ISSUER,
    jti: 'b460a07c-4962-43d1-85ee-9dc10fbb8f6c',
    clientId: CLIENT_ID,
    nowMs: NOW_MS,
    occurredAtMs: NOW_MS - 5_000,
    transactionId: undefined,
    resource: { id: 'pmt-7290-003', type: 'domestic-payment', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type }],
  });
  return { ...claims, ...changes };
}

/** A SET of the test bank. */
export async function makeSet(changes: Partial<SetClaims> = {}, by?: Participant): Promise<string> {
  const { signer } = by ?? (await testBank());
  return await signSet(makeClaims(changes), signer, NOW_MS / 1000);
}

/** Options of a receiver that expects the test bank, with the time held. */
export async function receiverOptions(
  changes: Partial<ReceiverSettings & NotificationHandlerOptions> = {},
): Promise<ReceiverSettings & NotificationHandlerOptions> {
  const { keys } = await testBank();
  return {
    issuer: ISSUER,
    signer: BANK_ORG_ID,
    clientId: CLIENT_ID,
    keys,
    now: () => NOW_MS,
    onNotification: () => undefined,
    onRefused: () => undefined,
    ...changes,
  };
}

/** A delivery as the bank sends it. */
export function delivery(
  set: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  headers: Record<string, string> = {},
  method = 'POST',
): Request {
  return new Request('https://tpp.example/open-banking/v4.0/event-notifications', {
    method,
    headers: { 'content-type': 'application/jwt', 'x-fapi-interaction-id': INTERACTION_ID, ...headers },
    ...(method === 'POST' && { body: set, duplex: 'half' }),
  });
}
