import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSigner, importSigningKeys } from '@tidings/protocol';
import { createBankClient, createPoller } from '@tidings/tpp';
import { ISSUER, ORGANISATION_ID } from '../support/bank.ts';
import { withBank } from '../support/with-bank.ts';

// The kit's poller at our own service, with the limits of both as they are.

const SETS = 1000;
const BANK = '\u{1f3e6}';

test('a TPP that refuses a thousand SETs of one answer, in texts of full length, reports all of them', async () => {
  await withBank({ settings: { polling: { maxEventsMax: SETS, longPollMaxMs: 0 } } }, async (tpp, bank) => {
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const jtis = await bank.publishAll(Array.from({ length: SETS }, () => tpp.clientId));
    const { apiUrl } = bank.service;
    const ca = bank.authority.certificatePem;
    const identity = {
      kid: tpp.signing.kid,
      iss: `org-of-${tpp.clientId}/software-of-${tpp.clientId}`,
      tan: 'openbanking.org.uk',
    };
    const transport = { certificatePem: tpp.transport.certificatePem, keyPem: tpp.transport.keyPem, caPem: ca };
    const keys = await importSigningKeys({ keys: [bank.signingKey.jwk] });
    const client = createBankClient({
      ...{ clientId: tpp.clientId, issuer: bank.tokenIssuer, baseUrl: `${apiUrl}/open-banking/v4.0`, transport },
      signer: await createSigner(identity, tpp.signing.keyPem),
      bank: { signer: ORGANISATION_ID, keys },
    });
    const failed: unknown[] = [];
    let refused = 0;
    const poller = createPoller({
      ...{ bank: client, issuer: ISSUER, signer: ORGANISATION_ID, clientId: tpp.clientId, maxEvents: SETS },
      keys,
      onNotification: () => {
        throw new Error('no');
      },
      reportHandlerFailure: () => ({ err: BANK.repeat(40), description: BANK.repeat(256) }),
      onRefused: () => {
        refused += 1;
      },
      onPollFailed: ({ error }) => void failed.push(error.status),
      // Nothing more comes within the test: the second wait is for the next interval.
      wait: async () => void poller.stop(),
    });
    await poller.run();
    client.close();
    assert.deepEqual([refused, failed], [SETS, []]);
    for (const jti of [jtis[0], jtis[SETS / 2], jtis.at(-1)]) {
      const errors = (await bank.notification(String(jti)))['errors'] as { description: string }[];
      assert.deepEqual([errors.length, errors[0]?.description], [1, BANK.repeat(256)]);
    }
  });
});
