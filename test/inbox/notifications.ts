import { buildSetClaims, EventTypeCatalogue, signSet } from '@tidings/protocol';
import { makeParticipant } from '@tidings/testing';
import { createReceiver, type InboxOptions, type NotificationHandler, type SqliteDatabase } from '@tidings/tpp';

export const ISSUER = 'https://bank.example/';
export const BANK_ORG_ID = '0015800000jfQ9aAAE';
export const CLIENT_ID = 'tpp-client-1';
const bankMade = makeParticipant(BANK_ORG_ID, 'bank-key-1');

/** What differs between the notifications of a test. */
export interface NotificationChanges {
  readonly resourceId?: string;
  readonly toeSeconds?: number;
}

/** The SETs of a bank, and a receiver that verifies them. */
export interface SigningBank {
  /** Pushes a notification, as the bank does. @returns the response */
  push(jti: string, changes?: NotificationChanges): Promise<Response>;
}

/** A bank that pushes to a receiver with this handler. Refusals are not printed. */
export async function pushingBank(handler: NotificationHandler): Promise<SigningBank> {
  const { signer, keys } = await bankMade;
  const onRefused = () => undefined;
  const receiver = createReceiver({
    issuer: ISSUER,
    signer: BANK_ORG_ID,
    clientId: CLIENT_ID,
    keys,
    onRefused,
    handler,
  });
  return {
    push: async (jti, changes) => {
      const body = await signSet(claimsOf(jti, changes), signer, Date.now() / 1000);
      const headers = { 'content-type': 'application/jwt' };
      return await receiver.handle(new Request('https://tpp.example/', { method: 'POST', headers, body }));
    },
  };
}

/** The claims of a resource-update. */
export function claimsOf(jti: string, { resourceId = `resource-of-${jti}`, toeSeconds }: NotificationChanges = {}) {
  const type = new EventTypeCatalogue().find('UK.OBIE.Resource-Update');
  if (type === undefined) throw new Error('the catalogue lacks resource-update');
  const uri = `https://bank.example/open-banking/v4.0/pisp/domestic-payments/${resourceId}`;
  const nowMs = Date.now();
  return buildSetClaims({
    issuer: ISSUER,
    jti,
    clientId: CLIENT_ID,
    nowMs,
    occurredAtMs: toeSeconds === undefined ? nowMs - 5_000 : toeSeconds * 1000,
    transactionId: undefined,
    resource: { id: resourceId, type: 'domestic-payment', uri, links: [{ version: 'v4.0', link: uri }] },
    events: [{ type }],
  });
}

/** Options with delays that a test does not wait for. */
export const FAST = {
  pollMs: 5,
  retryDelayMsMin: 1,
  retryDelayMsMax: 2,
  leaseMs: 60_000,
} as const satisfies Partial<InboxOptions<SqliteDatabase, undefined>>;
