import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, describe, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { until } from '@tidings/testing';
import { startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';

// One TPP polls as often as it can. What it takes is bounded, and the others do not notice.

const PER_TPP_MAX = 3;
const LONG_PER_TPP_MAX = 2;
const REOFFER_MS = 1000;
const LARGE = 150;
const settings = {
  polling: {
    pollsPerTppMax: PER_TPP_MAX,
    longPollsPerTppMax: LONG_PER_TPP_MAX,
    reofferMs: REOFFER_MS,
    maxEventsMax: LARGE,
  },
};
const bank = await startBank({ clients: ['busy', 'calm'], settings });
const busy = await makeTpp(bank, 'busy');
const calm = await makeTpp(bank, 'calm');
after(async () => {
  busy.close();
  calm.close();
  await bank.stop();
});
afterEach(async () => {
  await busy.clear();
  await calm.clear();
});

const pollOf = (party: typeof busy, body: object) =>
  party.call('POST', 'v4.0', 'events', { body: JSON.stringify(body) });
const statusesOf = async (answers: readonly Promise<{ status: number }>[]) =>
  (await Promise.all(answers)).map(({ status }) => status);

describe('a burst of polls of one TPP', () => {
  test('is 429 with Retry-After beyond pollsPerTppMax, and passes by itself', async () => {
    await busy.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    await bank.publishAll(Array.from({ length: 200 }, () => 'busy'));
    const answers = await Promise.all(Array.from({ length: 60 }, () => pollOf(busy, { maxEvents: 1 })));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0, 'some are refused');
    assert.ok(
      answers.some(({ status }) => status === 200),
      'others are answered',
    );
    assert.equal(refused[0]?.headers['retry-after'], '1');
    assert.equal((await pollOf(busy, {})).status, 200);
  });

  test('takes nothing from the polls of another', async () => {
    for (const party of [busy, calm]) await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    await bank.publishAll([...Array.from({ length: 300 }, () => 'busy'), ...Array.from({ length: 3 }, () => 'calm')]);
    const burst = Array.from({ length: 60 }, () => pollOf(busy, {}));
    const others = Array.from({ length: PER_TPP_MAX }, () => pollOf(calm, { maxEvents: 1 }));
    assert.deepEqual(await statusesOf(others), [200, 200, 200]);
    await Promise.all(burst);
  });

  test('long polls that are held do not count, and may be as many besides', async () => {
    await busy.create('v4.0', 'event-subscriptions', { Version: '4.0' });
    const held = Array.from({ length: LONG_PER_TPP_MAX }, () => busy.poll({ returnImmediately: false }));
    await until(() => bank.service.longPollsHeld() === LONG_PER_TPP_MAX, 'the long polls are held');
    for (let poll = 0; poll < 2 * PER_TPP_MAX; poll += 1) assert.equal((await pollOf(busy, {})).status, 200);
    await bank.publish('busy');
    await Promise.race(held);
    await busy.clear();
    await Promise.allSettled(held);
  });
});

test('bodies of polls that do not end count too: no more of one TPP are read than may be answered', async () => {
  await busy.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  const begun = new Set<TLSSocket>();
  const takePlaces = async () => {
    while (begun.size < PER_TPP_MAX) {
      const socket = await beginPoll('{"ack":[', 4_000_000);
      begun.add(socket);
      // Refused, because another poll of the test was still being answered: another one takes its place.
      socket.once('data', () => begun.delete(socket));
    }
  };
  await until(async () => {
    await takePlaces();
    return (await pollOf(busy, { maxEvents: 1 })).status === 429;
  }, 'the places are taken');
  assert.equal((await calm.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
  for (const socket of begun) socket.destroy();
  await until(async () => (await pollOf(busy, { maxEvents: 1 })).status === 200, 'the places are free again');
});

test('answers that a TPP does not read stay within pollsPerTppMax, until its connections end', async () => {
  await busy.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  // Larger than what the machine's own buffers take off the service's hands.
  await publishLarge(LARGE);
  const sockets: TLSSocket[] = [];
  for (let poll = 0; poll < PER_TPP_MAX; poll += 1) {
    sockets.push(await pollWithoutReading(poll + 1));
    bank.clock.aheadMs += REOFFER_MS + 1;
  }
  const refused = await pollOf(busy, { maxEvents: 1 });
  assert.equal(refused.status, 429);
  assert.equal((await calm.call('GET', 'v4.0', 'event-subscriptions')).status, 200);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await pollOf(busy, { maxEvents: 1 })).status === 200, 'the places are free again');
});

/** SETs of some 55 kB each. */
async function publishLarge(count: number): Promise<void> {
  const link = `https://bank.example/${'x'.repeat(2000)}`;
  const links = Array.from({ length: 20 }, (_, version) => ({ version: `v4.${version}`, link }));
  const resource = { id: 'p-1', type: 'domestic-payment', version: '4.0', uri: link, links };
  for (let at = 0; at < count; at += 10) {
    const events = Array.from({ length: 10 }, (_, of) => {
      const id = `large-${at + of}`;
      const occurredAt = new Date().toISOString();
      return { id, clientId: 'busy', occurredAt, resource, events: [{ type: 'UK.OBIE.Resource-Update' }] };
    });
    const { status, body } = await bank.operate('POST', '/operator/v1/events', events);
    assert.equal(status, 200, JSON.stringify(body));
  }
}

/** A poll whose answer has begun to come, and is left where it is. */
async function pollWithoutReading(count: number): Promise<TLSSocket> {
  const body = JSON.stringify({ maxEvents: LARGE, returnImmediately: true });
  const socket = await beginPoll(body, body.length);
  await once(socket, 'readable');
  assert.match(String(socket.read(15)), /^HTTP\/1\.1 200/, `answer ${count}`);
  return socket;
}

/** Sends a poll as far as it is given. @param contentLength of the whole body */
async function beginPoll(body: string, contentLength: number): Promise<TLSSocket> {
  const { hostname, port } = new URL(bank.service.apiUrl);
  const { certificatePem: cert, keyPem: key } = busy.transport;
  const socket = connect({
    host: hostname,
    port: Number(port),
    servername: hostname,
    ca: bank.authority.certificatePem,
    cert,
    key,
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  const head = [
    `POST ${bank.prefix}/open-banking/v4.0/events HTTP/1.1`,
    `host: ${hostname}`,
    `authorization: Bearer ${await busy.token()}`,
    'content-type: application/json',
    `content-length: ${contentLength}`,
  ];
  // Only once it is on its way: a poll that is sent after this one must not overtake it.
  await new Promise<void>((resolve) => socket.write(`${head.join('\r\n')}\r\n\r\n${body}`, () => resolve()));
  return socket;
}
