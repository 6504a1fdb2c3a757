import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BankError,
  createNotificationHandler,
  createPoller,
  createReceiver,
  type PollAnswer,
  type PollerSettings,
  type PollRequest,
} from '@tidings/tpp';
import fc from 'fast-check';
import { delivery, makeSet, receiverOptions } from './support/sets.ts';

const NOTIFICATIONS_MAX = 4;
const TURNS_MAX = 100_000;
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const sets = await Promise.all(
  Array.from({ length: NOTIFICATIONS_MAX }, (_, n) =>
    makeSet({ jti: `jti-${n}` }).then((set) => [`jti-${n}`, set] as const),
  ),
);

/** What is generated: how often the handler fails on each notification, how often each is pushed, and poll sizes. */
const plan = fc.record({
  notifications: fc.array(fc.record({ fails: fc.nat(2), pushes: fc.nat(3) }), {
    minLength: 1,
    maxLength: NOTIFICATIONS_MAX,
  }),
  maxEvents: fc.integer({ min: 1, max: NOTIFICATIONS_MAX }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  pollsThatFail: fc.array(fc.nat(8), { maxLength: 3 }),
});

/** The bank's side: what it awaits, and which acknowledgements it was told. */
class BankModel {
  readonly awaiting: Map<string, string>;
  readonly acknowledgedByPoll = new Set<string>();
  polls = 0;

  constructor(n: number) {
    this.awaiting = new Map(sets.slice(0, n));
  }

  poll({ maxEvents = 1, ack = [] }: PollRequest): PollAnswer {
    this.polls += 1;
    for (const jti of ack) {
      this.acknowledgedByPoll.add(jti);
      this.awaiting.delete(jti);
    }
    // Another one first each time, so that one on which the handler fails does not stand before the others.
    const due = [...this.awaiting];
    const turned = due.map((_, at) => due[(at + this.polls) % due.length] ?? ['', '']);
    const given = new Map(turned.slice(0, maxEvents) as [string, string][]);
    return { sets: given, moreAvailable: given.size < due.length, interactionId: 'poll' };
  }
}

test('whatever the order of pushes and polls, each notification succeeds once, and is acknowledged exactly then', async () => {
  const { issuer, signer, clientId, keys, now = Date.now } = await receiverOptions();
  const settings = { issuer, signer, clientId, keys, now };
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), plan, async (s, { notifications, maxEvents, concurrency, pollsThatFail }) => {
      const bank = new BankModel(notifications.length);
      const failsLeft = new Map(notifications.map(({ fails }, n) => [`jti-${n}`, fails]));
      const succeeded: string[] = [];
      const faults: string[] = [];
      const inHand = new Set<string>();
      const handler = createNotificationHandler({
        onNotification: async ({ jti }) => {
          if (inHand.has(jti) || succeeded.includes(jti)) faults.push(`${jti} is handled twice`);
          inHand.add(jti);
          await s.schedule(Promise.resolve(), `handle ${jti}`);
          inHand.delete(jti);
          const fails = failsLeft.get(jti) ?? 0;
          failsLeft.set(jti, fails - 1);
          if (fails > 0) throw new Error('not now');
          succeeded.push(jti);
        },
      });
      const events: PollerSettings['bank']['events'] = {
        poll: async (request = {}) => {
          for (const jti of request.ack ?? [])
            if (!succeeded.includes(jti)) faults.push(`${jti} is acknowledged too early`);
          if (request.setErrs?.length) faults.push('an error is reported');
          await s.schedule(Promise.resolve(), 'poll');
          return bank.poll(request);
        },
      };
      const poller = createPoller({
        ...settings,
        bank: { events: failing(events, pollsThatFail) },
        handler,
        maxEvents,
        concurrency,
        wait: turn,
      });
      const receiver = createReceiver({ ...settings, handler });
      const push = async (n: number) => {
        const [jti = '', set = ''] = sets[n] ?? [];
        await s.schedule(Promise.resolve(), `push ${jti}`);
        const { status } = await receiver.handle(delivery(set));
        assert.equal(status, succeeded.includes(jti) ? 202 : 500);
        if (status === 202) bank.awaiting.delete(jti);
      };
      const pushes = notifications.flatMap(({ pushes: times }, n) => Array.from({ length: times }, () => push(n)));
      const running = poller.run();
      const done = (async () => {
        await Promise.all(pushes);
        // Signatures are verified on other threads, so time must pass for them too.
        for (let turns = 0; bank.awaiting.size > 0 && turns < TURNS_MAX; turns += 1) await turn();
        await poller.stop();
        await running;
      })();
      await s.waitFor(done);
      assert.deepEqual(
        succeeded.toSorted(),
        notifications.map((_each, n) => `jti-${n}`),
      );
      assert.ok([...bank.acknowledgedByPoll].every((jti) => succeeded.includes(jti)));
      assert.equal(bank.awaiting.size, 0);
    }),
    { numRuns: 300 },
  );
});

/** Polls that fail before or after the bank has done what they ask. */
function failing(events: PollerSettings['bank']['events'], numbers: readonly number[]): typeof events {
  let n = 0;
  return {
    poll: async (request, limits) => {
      const number = n;
      n += 1;
      if (!numbers.includes(number)) return await events.poll(request, limits);
      if (number % 2 === 0) await events.poll(request, limits);
      throw new BankError('unreachable', 'The connection failed.');
    },
  };
}
