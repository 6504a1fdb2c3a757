import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, afterEach, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { accessTokenOf, until } from '@tidings/testing';
import { VERSIONS } from '../support/answers.ts';
import { AUDIENCE, type Bank, startBank } from '../support/bank.ts';
import { makeTpp, type Tpp } from '../support/tpp.ts';
import { withBank } from '../support/with-bank.ts';

// returnImmediately: false. Nothing here waits for a time that it guessed: what is held is counted by the service.

const REOFFER_MS = 1000;
const PER_TPP_MAX = 4;
const LONG = { returnImmediately: false };
const bank = await startBank({ clients: ['tpp-a', 'tpp-b'], settings: { polling: { reofferMs: REOFFER_MS } } });
const tpp = await makeTpp(bank, 'tpp-a');
const other = await makeTpp(bank, 'tpp-b');
after(async () => {
  tpp.close();
  other.close();
  await bank.stop();
});
afterEach(async () => {
  await tpp.clear();
  await other.clear();
  await untilHeld(0);
});

const subscribe = (party: Tpp) => party.create('v3.1', 'event-subscriptions', { Version: '3.1.2' });
const untilHeld = (count: number, at: Bank = bank) =>
  until(() => at.service.longPollsHeld() === count, `${count} long polls are held`);

/** Polls that are held when the promise resolves. */
async function held(count: number, party = tpp, body: object = LONG) {
  const before = bank.service.longPollsHeld();
  const polls = Array.from({ length: count }, () => party.poll(body));
  await untilHeld(before + count);
  return polls;
}

function runBank(polling: object, check: (party: Tpp, at: Bank) => Promise<void>): Promise<void> {
  return withBank({ settings: { polling } }, async (party, at) => {
    await subscribe(party);
    await check(party, at);
  });
}

describe('a long poll', () => {
  test('is answered when its access token expires, long before polling.longPollMaxMs', async () => {
    await subscribe(tpp);
    const { thumbprint } = tpp.transport;
    const nowMs = bank.clock.nowMs();
    const of = { issuer: bank.tokenIssuer, audience: AUDIENCE, clientId: 'tpp-a', thumbprint, nowMs };
    const exp = nowMs / 1000 + 0.5;
    const { sets } = await tpp.poll(LONG, { token: accessTokenOf(bank.tokenKey, of, { exp }) });
    assert.deepEqual(sets, {});
    const tookMs = bank.clock.nowMs() - nowMs;
    assert.ok(tookMs >= 500 && tookMs < 20_000, `${tookMs} ms`);
  });

  for (const version of VERSIONS) {
    test(`under ${version} is answered by the next event, in milliseconds [6 long-poll-woken]`, async () => {
      await subscribe(tpp);
      const tookMs: number[] = [];
      for (let round = 0; round < 20; round += 1) {
        const polled = tpp.poll(LONG, { version });
        await untilHeld(1);
        const jti = (await bank.publish('tpp-a')) ?? '';
        const publishedAtMs = performance.now();
        const { sets } = await polled;
        tookMs.push(performance.now() - publishedAtMs);
        assert.deepEqual(Object.keys(sets), [jti]);
        await tpp.poll({ ack: [jti], maxEvents: 0 });
      }
      const median = tookMs.sort((left, right) => left - right)[10] ?? Number.POSITIVE_INFINITY;
      assert.ok(median < 100, `half of them took over ${median} ms`);
    });
  }

  test('is answered at once when something is available [6 long-poll-at-once]', async () => {
    await subscribe(tpp);
    const jti = (await bank.publish('tpp-a')) ?? '';
    assert.deepEqual(Object.keys((await tpp.poll(LONG)).sets), [jti]);
  });

  test('applies its acknowledgements before it waits [6 long-poll-acks-first]', async () => {
    await subscribe(tpp);
    const jti = (await bank.publish('tpp-a')) ?? '';
    const [polled] = await held(1, tpp, { ...LONG, ack: [jti] });
    await until(async () => (await bank.notification(jti))['state'] === 'acknowledged', 'it is acknowledged');
    assert.equal(bank.service.longPollsHeld(), 1, 'while the poll is held');
    const next = (await bank.publish('tpp-a')) ?? '';
    assert.deepEqual(Object.keys((await polled)?.sets ?? {}), [next]);
  });

  test('is answered when an offered SET may be offered again [6 long-poll-reoffer]', async () => {
    await subscribe(tpp);
    const jti = (await bank.publish('tpp-a')) ?? '';
    const first = await tpp.poll();
    const startedAtMs = performance.now();
    assert.deepEqual(await tpp.poll(LONG), first);
    const tookMs = performance.now() - startedAtMs;
    assert.ok(tookMs > REOFFER_MS / 2 && tookMs < 10_000, `${tookMs} ms`);
    assert.deepEqual(Object.keys(first.sets), [jti]);
  });

  test('learns of what another poll of the TPP was offered meanwhile [6 long-poll-reoffer-of-others]', async () => {
    await subscribe(tpp);
    const polls = await held(2);
    const jti = (await bank.publish('tpp-a')) ?? '';
    const answers = await Promise.all(polls);
    for (const { sets } of answers) assert.deepEqual(Object.keys(sets), [jti], 'the second one, after the interval');
  });

  test('learns that a report brings a SET back sooner than it had been told [6 long-poll-reoffer-after-error]', async () => {
    await runBank({ reofferMs: 60_000, reofferAfterErrorMs: 500 }, async (party, at) => {
      const jti = (await at.publish('tpp-a')) ?? '';
      await party.poll();
      const polled = party.poll(LONG);
      await untilHeld(1, at);
      await until(() => at.clock.timers() > 1, 'it waits for its limit and for the interval');
      await party.poll({ maxEvents: 0, setErrs: { [jti]: { err: 'jwtCrypto', description: 'by the test' } } });
      assert.deepEqual(Object.keys((await polled).sets), [jti]);
    });
  });

  test('is answered with nothing at its limit [6 long-poll-limit]', async () => {
    await runBank({ longPollMaxMs: 200 }, async (party) => {
      const startedAtMs = performance.now();
      assert.deepEqual(await party.poll(LONG), { sets: {}, moreAvailable: false });
      assert.ok(performance.now() - startedAtMs >= 190);
    });
  });

  test('is not held where the bank does not offer it [6 long-poll-off]', async () => {
    await runBank({ longPollMaxMs: 0 }, async (party) => {
      assert.deepEqual(await party.poll(LONG), { sets: {}, moreAvailable: false });
    });
  });

  test('that left returnImmediately out is answered at once [6 return-immediately-default]', async () => {
    await subscribe(tpp);
    assert.deepEqual(await tpp.poll({}), { sets: {}, moreAvailable: false });
  });
});

describe('several long polls', () => {
  test('of one TPP: an event goes to one of them, and is neither lost nor given twice [6 long-poll-exactly-one]', async () => {
    await runBank({}, async (party, at) => {
      for (let round = 0; round < 10; round += 1) {
        const polls = Array.from({ length: PER_TPP_MAX }, () => party.poll(LONG));
        await untilHeld(PER_TPP_MAX, at);
        const first = (await at.publish('tpp-a')) ?? '';
        await untilHeld(PER_TPP_MAX - 1, at);
        const rest: string[] = [];
        for (let left = PER_TPP_MAX - 1; left > 0; left -= 1) {
          rest.push((await at.publish('tpp-a')) ?? '');
          await untilHeld(left - 1, at);
        }
        const given = (await Promise.all(polls)).flatMap(({ sets }) => Object.keys(sets));
        assert.deepEqual(given.sort(), [first, ...rest].sort());
        await party.poll({ ack: given, maxEvents: 0 });
      }
    });
  });

  test('of one TPP beyond the bound are answered at once [6 long-poll-per-tpp-bound]', async () => {
    await subscribe(tpp);
    const polls = await held(PER_TPP_MAX);
    assert.deepEqual(await tpp.poll(LONG), { sets: {}, moreAvailable: false });
    assert.equal(bank.service.longPollsHeld(), PER_TPP_MAX);
    await bank.publishAll(polls.map(() => 'tpp-a'));
    await Promise.all(polls);
  });

  test('of all TPPs beyond the bound are answered at once [6 long-poll-bound]', async () => {
    await runBank({ longPollsMax: 1 }, async (party, at) => {
      const polled = party.poll(LONG);
      await untilHeld(1, at);
      assert.deepEqual(await party.poll(LONG), { sets: {}, moreAvailable: false });
      await at.publish('tpp-a');
      assert.equal(Object.keys((await polled).sets).length, 1);
    });
  });

  test('of other TPPs stay as they are [6 long-poll-of-others]', async () => {
    await subscribe(tpp);
    await subscribe(other);
    const [mine] = await held(1);
    const [theirs] = await held(1, other);
    const jti = (await bank.publish('tpp-b')) ?? '';
    assert.deepEqual(Object.keys((await theirs)?.sets ?? {}), [jti]);
    assert.equal(bank.service.longPollsHeld(), 1);
    await bank.publish('tpp-a');
    await mine;
  });
});

describe('a long poll that ends early', () => {
  test('because the connection ended frees everything, and takes no event with it [6 long-poll-abort]', async () => {
    await subscribe(tpp);
    const timers = bank.clock.timers();
    const hangUp = new AbortController();
    const polls = Array.from({ length: PER_TPP_MAX }, () => tpp.poll(LONG, { signal: hangUp.signal }));
    const ends = Promise.allSettled(polls);
    await untilHeld(PER_TPP_MAX);
    hangUp.abort();
    assert.ok((await ends).every(({ status }) => status === 'rejected'));
    await untilHeld(0);
    // One of the service's own may have come to its time meanwhile.
    assert.ok(bank.clock.timers() <= timers, 'no timer is left');
    assert.match(bank.log(), /"msg":"hung up"/);
    const jti = (await bank.publish('tpp-a')) ?? '';
    assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti], 'nobody was offered it who is gone');
  });

  test('because the connection ended, of many that were pipelined on it [6 long-poll-abort-pipelined]', async () => {
    await subscribe(tpp);
    const { certificatePem: cert, keyPem: key } = tpp.transport;
    const port = Number(new URL(bank.service.apiUrl).port);
    const socket = connect({ host: 'localhost', port, ca: bank.authority.certificatePem, cert, key });
    const body = JSON.stringify(LONG);
    const head = `POST /open-banking/v4.0/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${await tpp.token()}\r\n`;
    const request = `${head}content-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    socket.on('error', () => undefined);
    socket.write(request.repeat(PER_TPP_MAX));
    await untilHeld(PER_TPP_MAX);
    socket.destroy();
    await once(socket, 'close');
    await untilHeld(0);
  });

  test('because its registration was deleted is 403, at once [6 long-poll-registration-gone]', async () => {
    const id = await subscribe(tpp);
    const polled = tpp.call('POST', 'v4.0', 'events', { body: JSON.stringify(LONG) });
    await untilHeld(1);
    await tpp.remove('v4.0', 'event-subscriptions', id);
    assert.equal((await polled).status, 403);
  });

  test('because the TPP was suspended gets no event that comes then: 403 [6 long-poll-suspended]', async () => {
    await subscribe(tpp);
    const polled = tpp.call('POST', 'v4.0', 'events', { body: JSON.stringify(LONG) });
    await untilHeld(1);
    await bank.operate('POST', '/operator/v1/tpps/tpp-a/suspend');
    const jti = (await bank.publish('tpp-a')) ?? '';
    assert.equal((await polled).status, 403);
    await bank.operate('POST', '/operator/v1/tpps/tpp-a/resume');
    assert.deepEqual(Object.keys((await tpp.poll()).sets), [jti]);
  });

  test('because the service stops is answered with what there is, at once [6 long-poll-shutdown]', async () => {
    await runBank({}, async (party, at) => {
      const polls = Array.from({ length: PER_TPP_MAX }, () => party.poll(LONG));
      await untilHeld(PER_TPP_MAX, at);
      const startedAtMs = performance.now();
      const stopped = at.service.stop();
      for (const answer of await Promise.all(polls)) assert.deepEqual(answer, { sets: {}, moreAvailable: false });
      await stopped;
      const tookMs = performance.now() - startedAtMs;
      assert.ok(tookMs < 3000, `stopping took ${tookMs} ms`);
    });
  });
});
