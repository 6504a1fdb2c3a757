import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { until } from '@tidings/testing';
import { type Bank, OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';
import { operatorCalls } from './calling.ts';

// The limits of publishing, at a real service.

const EVENTS = '/operator/v1/events';

const eventOf = (id: string, clientId = 'tpp-a') => {
  const uri = 'https://bank.example/p-1';
  return {
    ...{ id, clientId, occurredAt: '2026-01-02T03:04:05Z', events: [{ type: 'UK.OBIE.Resource-Update' }] },
    resource: { id: 'p-1', type: 'domestic-payment', version: '4.0', uri, links: [{ version: 'v4.0', link: uri }] },
  };
};

async function withPublishing(publishing: object, check: (bank: Bank) => Promise<void>): Promise<void> {
  const bank = await startBank({ clients: ['tpp-a'], settings: { publishing } });
  try {
    await check(bank);
  } finally {
    await bank.stop();
  }
}

/** Sends the head of a publish request, and of its body only what is given. */
async function begin(bank: Bank, headers: string, body = ''): Promise<Socket> {
  const socket = connect({ port: Number(new URL(bank.service.operatorUrl).port), host: '127.0.0.1' });
  await once(socket, 'connect');
  const head = `POST ${EVENTS} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${OPERATOR_TOKEN}\r\n`;
  socket.write(`${head}content-type: application/json\r\n${headers}\r\n\r\n${body}`);
  return socket;
}

async function answerOn(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) {
    text += chunk;
    if (text.includes('\r\n\r\n')) break;
  }
  return text;
}

describe('publishing', () => {
  test('beyond "publishing.requestsMax" answers 429 before the body, and goes on when others are done', () =>
    withPublishing({ requestsMax: 2 }, async (bank) => {
      const call = operatorCalls(bank);
      const body = JSON.stringify(eventOf('held'));
      const length = `content-length: ${body.length}`;
      const held = [await begin(bank, length, body.slice(0, 5)), await begin(bank, length, body.slice(0, 5))];
      await until(async () => (await call('POST', EVENTS, eventOf('e-1'))).status === 429, 'both are let in');
      // Not a byte of the body was sent, and yet it is answered.
      const refused = await answerOn(await begin(bank, 'content-length: 1000'));
      assert.match(refused, /^HTTP\/1\.1 429 /);
      assert.match(refused, /\r\nretry-after: \d+\r\n/i);
      held[0]?.write(body.slice(5));
      assert.match(await answerOn(held[0] as Socket), /^HTTP\/1\.1 200 /);
      held[1]?.destroy();
      await until(async () => (await call('POST', EVENTS, eventOf('e-1'))).status === 200, 'there is room again');
      const { body: answer } = await call('POST', EVENTS, eventOf('e-1'));
      assert.deepEqual(answer.outcomes[0].repeated, true);
    }));

  test('whose bodies hold more than "publishing.inFlightBytesMax" answers 429; chunks count as the largest body', () =>
    withPublishing({ inFlightBytesMax: 2048 }, async (bank) => {
      const call = operatorCalls(bank);
      const held = await begin(bank, 'transfer-encoding: chunked', '5\r\n{"id"\r\n');
      await until(async () => (await call('POST', EVENTS, eventOf('e-1'))).status === 429, 'it is let in');
      const { body } = await call('POST', EVENTS, eventOf('e-1'));
      assert.match(body.detail, /"publishing\.inFlightBytesMax"/);
      held.destroy();
      await until(async () => (await call('POST', EVENTS, eventOf('e-1'))).status === 200, 'there is room again');
    }));

  test('at "publishing.awaitingMax" answers 503 that says why, keeps nothing, and opens again', () =>
    withPublishing({ awaitingMax: 2 }, async (bank) => {
      const call = operatorCalls(bank);
      const tpp = await makeTpp(bank, 'tpp-a');
      await tpp.create('v4.0', 'event-subscriptions', { Version: '4.0' });
      assert.equal((await call('POST', EVENTS, [eventOf('e-1'), eventOf('e-2')])).status, 200);
      bank.clock.aheadMs += 2000;
      const { status, headers, body } = await call('POST', EVENTS, eventOf('e-3'));
      assert.equal(status, 503);
      assert.match(String(headers.get('retry-after')), /^\d+$/);
      assert.match(body.detail, /^Publishing is closed: 2 notifications are awaiting/);
      const shown = (await call('GET', '/operator/v1/status')).body;
      assert.deepEqual([shown.awaiting, shown.publishing], [2, 'closed']);
      assert.match(shown.publishingClosedBecause, /awaitingMax/);
      const { sets } = await tpp.poll();
      assert.equal(Object.keys(sets).length, 2, 'TPPs are served as ever');
      await tpp.poll({ maxEvents: 0, ack: Object.keys(sets) });
      bank.clock.aheadMs += 2000;
      const again = await call('POST', EVENTS, eventOf('e-3'));
      assert.deepEqual([again.status, again.body.outcomes[0].repeated], [200, false]);
      tpp.close();
    }));

  test('on a disk with less room than "publishing.diskFreeBytesMin" answers 503 that says so', async (t) => {
    await withPublishing({ diskFreeBytesMin: 1_099_511_627_776 }, async (bank) => {
      const { status, body } = await operatorCalls(bank)('POST', EVENTS, eventOf('e-1'));
      if (status === 200) {
        t.diagnostic('this machine has more than a tebibyte free');
        return;
      }
      assert.equal(status, 503);
      assert.match(body.detail, /"publishing\.diskFreeBytesMin" is 1099511627776/);
    });
  });

  test('without a token is 401 before anything is counted', () =>
    withPublishing({ requestsMax: 1 }, async (bank) => {
      for (let n = 0; n < 3; n += 1) {
        const answer = await fetch(`${bank.service.operatorUrl}${EVENTS}`, { method: 'POST' });
        assert.equal(answer.status, 401);
      }
      assert.equal((await operatorCalls(bank)('POST', EVENTS, eventOf('e-1'))).status, 200);
    }));

  test('refused over its body or its type leaves the room that it had', () =>
    withPublishing({ requestsMax: 1 }, async (bank) => {
      const call = operatorCalls(bank);
      const send = (type: string, body: string) =>
        fetch(`${bank.service.operatorUrl}${EVENTS}`, {
          ...{ method: 'POST', body },
          headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': type },
        });
      for (const [type, body, status] of [
        ['text/plain', '{}', 415],
        ['application/json', '{', 400],
        ['application/json', ' '.repeat(16_777_217), 413],
      ] as const) {
        assert.equal((await send(type, body)).status, status);
        await until(async () => (await call('POST', EVENTS, eventOf('e-1'))).status === 200, 'it left');
      }
    }));
});
