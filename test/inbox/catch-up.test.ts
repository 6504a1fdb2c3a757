import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { test } from 'node:test';
import { createSigner, importSigningKeys } from '@tidings/protocol';
import { listenOn, until } from '@tidings/testing';
import { createBankClient, createInbox, createPoller, createReceiver, keepCaughtUp, nodeListener } from '@tidings/tpp';
import { ISSUER, ORGANISATION_ID } from '../support/bank.ts';
import { withBank } from '../support/with-bank.ts';
import { sqliteDatabase } from './databases.ts';

test('what our bank could not push while the TPP was down is polled at its start, then it is pushed again, and each is handled once', async (t) => {
  const database = await sqliteDatabase(t);
  const settings = {
    retry: { delayMs: 100, delayMaxMs: 100, retriesMax: 1000 },
    breaker: { pauseMs: 50, pauseMaxMs: 50 },
    polling: { longPollMaxMs: 0 },
  };
  await withBank({ settings }, async (tpp, bank) => {
    let listener: RequestListener | undefined;
    const { certificatePem, keyPem } = bank.transport;
    const server = createServer({ cert: certificatePem, key: keyPem }, (request, response) => {
      if (listener === undefined) request.socket.destroy();
      else listener(request, response);
    });
    const port = await listenOn(server);
    const CallbackUrl = `https://localhost:${port}/open-banking/v4.0/event-notifications`;
    await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0', CallbackUrl });

    // The TPP is down.
    const missed = await bank.publishAll(Array.from({ length: 20 }, () => tpp.clientId));
    const stateOf = async (jti: string | undefined) => (await bank.notification(String(jti)))['state'];

    // It starts: one handler for both ways.
    const store = await database.open();
    const inbox = createInbox({
      store,
      pollMs: 10,
      onNotification: ({ jti }, { transaction }) => void database.write(transaction, jti),
    });
    const keys = await importSigningKeys({ keys: [bank.signingKey.jwk] });
    const iss = `org-of-${tpp.clientId}/software-of-${tpp.clientId}`;
    const { authority, service, tokenIssuer } = bank;
    const client = createBankClient({
      clientId: tpp.clientId,
      issuer: tokenIssuer,
      baseUrl: `${service.apiUrl}/open-banking/v4.0`,
      transport: { ...tpp.transport, caPem: authority.certificatePem },
      signer: await createSigner({ kid: tpp.signing.kid, iss, tan: 'openbanking.org.uk' }, tpp.signing.keyPem),
      bank: { signer: ORGANISATION_ID, keys },
    });
    const expected = { issuer: ISSUER, signer: ORGANISATION_ID, clientId: tpp.clientId, keys, handler: inbox };
    const poller = createPoller({ ...expected, bank: client, maxEvents: 7 });
    const stop = new AbortController();
    const outcomes: unknown[] = [];
    const catchingUp = keepCaughtUp({ poller, onCaughtUp: (outcome) => void outcomes.push(outcome) }, stop.signal);
    const running = inbox.run(stop.signal);
    try {
      await until(() => outcomes.length === 1, 'the first catch-up');
      assert.deepEqual(outcomes, [{ finished: 20, unfinished: 0, isCaughtUp: true }]);

      // From here on the bank pushes.
      listener = nodeListener(createReceiver(expected));
      const pushed = await bank.publishAll(Array.from({ length: 5 }, () => tpp.clientId));
      const all = [...missed, ...pushed].map(String).sort();
      await until(async () => (await database.lines()).length >= all.length, 'all notifications to be handled');
      assert.deepEqual((await database.lines()).sort(), all);
      // The bank records an acknowledgement after it has arrived, which may be later than the handler here.
      const isAcknowledged = async () =>
        (await Promise.all(all.map(stateOf))).every((state) => state === 'acknowledged');
      await until(isAcknowledged, 'the bank to record all acknowledgements');
    } finally {
      stop.abort();
      await Promise.all([catchingUp, running]);
      client.close();
      server.close();
      server.closeAllConnections();
    }
  });
});
