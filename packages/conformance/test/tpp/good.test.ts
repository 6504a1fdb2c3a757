import assert from 'node:assert/strict';
import { createServer } from 'node:https';
import { describe, test } from 'node:test';
import type { KeySource } from '@tidings/protocol';
import { listenOn, testPki } from '@tidings/testing';
import { createReceiver, type EventNotification, nodeListener, remoteKeys } from '@tidings/tpp';
import { EXPECTED, PATH } from '../support/reference-receiver.ts';
import { notPassed, testCallback, testReceiver } from '../support/tpp-run.ts';

const NOT_APPLICABLE = [
  'TPP-CLM-05 skipped: The configuration names no iatAgeSecondsMax: the standard sets no age at which a notification is too old.',
];

describe('no check fails', () => {
  test('on a receiver written by hand after the rules', async () => {
    assert.deepEqual(notPassed(await testReceiver({})), NOT_APPLICABLE);
  });

  test('on the receiver of @tidings/tpp, which hands each notification over once', async () => {
    const { server: identity, caPem } = await testPki();
    let keys: KeySource | undefined;
    const received: EventNotification[] = [];
    const receiver = createReceiver({
      ...{ issuer: EXPECTED.issuer, signer: EXPECTED.organisationId, clientId: EXPECTED.clientId },
      keys: { keyFor: async (kid) => await keys?.keyFor(kid) },
      onNotification: (notification) => void received.push(notification),
      onRefused: () => undefined,
    });
    const listener = nodeListener(receiver);
    const server = createServer({ ...identity.tls }, (request, response) => {
      if (request.url === PATH) listener(request, response);
      else response.writeHead(404).end();
    });
    const port = await listenOn(server);
    try {
      const report = await testCallback({
        callbackUrl: `https://localhost:${port}${PATH}`,
        onJwks: (url) => {
          keys = remoteKeys({ url, transport: { caPem }, cooldownMs: 10 });
        },
      });
      assert.deepEqual(notPassed(report), NOT_APPLICABLE);
      assert.equal(new Set(received.map(({ jti }) => jti)).size, received.length);
      assert.ok(received.length > 50, `${received.length} were handed over`);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
