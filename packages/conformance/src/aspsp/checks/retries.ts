import type { AspspContext } from '../context.ts';
import { checksOf, expect, fail, headerOf, requires } from '../expect.ts';
import type { CallbackEndpoint, Delivery, ReceiverAnswer } from '../receiver.ts';
import { claimsOfSet } from '../sets.ts';
import { RT, RT_RETRY, RT_STEPS } from '../sources.ts';
import { expectSent, listening } from './listening.ts';

const { must, should } = checksOf<AspspContext>('Acknowledgements and retries');
const LONG = { timeLimitMs: 900_000 };
/** Waits that a backoff is measured by, and how much longer the last has to be than the first: half of a doubling. */
const WAITS = 3;
const GROWTH_MIN = 1.5;
const RETRY_AFTER_SECONDS = 2;
/** Clocks and timers of two machines differ by a little. */
const RETRY_AFTER_TOLERANCE_MS = 150;

type Plan = (index: number) => ReceiverAnswer;

/** Registers with an endpoint that answers by plan, makes an event, and waits for its first delivery. */
async function sent(context: AspspContext, plan: Plan): Promise<CallbackEndpoint> {
  const endpoint = await listening(context);
  endpoint.answer((_delivery, index) => plan(index));
  await context.makeEvent(context.first);
  await expectSent(context, endpoint);
  return endpoint;
}

/** Expects a second attempt after a first that was answered in some way. */
async function expectRetried(
  context: AspspContext,
  first: ReceiverAnswer,
  what: string,
  extraMs = 0,
): Promise<CallbackEndpoint> {
  const endpoint = await sent(context, (index) => (index === 0 ? first : {}));
  const { retryMs } = context.config.timing;
  const isRetried = await endpoint.untilCount(2, retryMs + extraMs);
  expect(isRetried, `another attempt within ${(retryMs + extraMs) / 1000} s after ${what}`, 'none');
  return endpoint;
}

/** Expects that what was acknowledged is not sent again. */
async function expectAcknowledged(context: AspspContext, answer: ReceiverAnswer, what: string): Promise<void> {
  const endpoint = await sent(context, () => answer);
  const isSentAgain = await endpoint.untilCount(2, context.config.timing.retryMs);
  expect(!isSentAgain, `no further delivery after ${what}`, 'the event was sent again');
}

/** The waits between attempts, from the answer to one until the next arrives, milliseconds. */
function waitsOf(deliveries: readonly Delivery[]): number[] {
  return deliveries.slice(1).map(({ arrivedMs }, at) => arrivedMs - (deliveries[at]?.endedMs ?? arrivedMs));
}

function shown(waits: readonly number[]): string {
  return `waits of ${waits.map((wait) => `${Math.round(wait)} ms`).join(', ')}`;
}

const ACKNOWLEDGEMENT_CHECKS = [
  must(
    'RT-30',
    '202 acknowledges: the event is not sent again.',
    RT_STEPS,
    (context) => expectAcknowledged(context, { status: 202 }, '202'),
    LONG,
  ),
  must(
    'RT-31',
    '202 without x-fapi-interaction-id acknowledges too.',
    RT,
    (context) => expectAcknowledged(context, { status: 202, isIdEchoed: false }, '202 without x-fapi-interaction-id'),
    LONG,
  ),
  must('RT-32', 'What was acknowledged with 202 is not offered by poll.', RT_STEPS, async (context) => {
    context.requirePolling();
    const endpoint = await sent(context, () => ({}));
    const { jti } = claimsOfSet(endpoint.deliveries[0]?.body.toString('utf8') ?? '');
    const { quietMs: timeoutMs } = context.config.timing;
    // The bank may need a moment to note it, and until then may offer it.
    await context.wait(timeoutMs);
    const polled = await context.pollUntil(context.first, {
      timeoutMs,
      holds: ({ sets }) => sets.has(jti),
    });
    expect(polled === undefined, `${jti} not to be offered`, 'offered');
  }),
  must(
    'RT-33',
    'Only 202 acknowledges: after 200, 201 and 204 the event is sent again.',
    RT_STEPS,
    async (context) => {
      for (const status of [200, 201, 204]) await expectRetried(context, { status }, `status ${status}`);
    },
    LONG,
  ),
  must(
    'RT-34',
    'After 4xx and 5xx the event is sent again.',
    RT_RETRY,
    async (context) => {
      for (const status of [400, 401, 404, 429, 500, 503]) await expectRetried(context, { status }, `status ${status}`);
    },
    LONG,
  ),
  must(
    'RT-35',
    'Redirects are not followed, and the event is sent again to its callback URL.',
    RT_STEPS,
    async (context) => {
      const elsewhere = context.receiver();
      for (const status of [301, 302, 303, 307, 308]) {
        await expectRetried(context, { status, headers: { location: elsewhere.url } }, `status ${status}`);
        expect(
          elsewhere.deliveries.length === 0,
          `nothing at the Location of ${status}`,
          `${elsewhere.deliveries.length} requests`,
        );
      }
    },
    LONG,
  ),
  must(
    'RT-36',
    'After a connection that closes without an answer, the event is sent again.',
    RT_RETRY,
    async (context) => {
      await expectRetried(context, { instead: 'close' }, 'a connection that closed');
    },
    LONG,
  ),
  must(
    'RT-37',
    'An answer that does not come is not waited for without end, and the event is sent again.',
    RT_RETRY,
    async (context) => {
      const { attemptMs } = context.config.timing;
      await expectRetried(context, { instead: 'hang' }, 'no answer', attemptMs);
    },
    LONG,
  ),
];

const ATTEMPT_CHECKS = [
  must(
    'RT-40',
    'The SET keeps its jti and claims over every attempt.',
    RT_STEPS,
    async (context) => {
      const { deliveries } = await expectRetried(context, { status: 500 }, 'status 500');
      const [one, other] = deliveries.map(({ body }) => body.toString('utf8').split('.')[1]);
      expect(one === other, 'the same claims in the second attempt', Buffer.from(other ?? '', 'base64url').toString());
    },
    LONG,
  ),
  must(
    'RT-41',
    'Each attempt has an x-fapi-interaction-id of its own.',
    RT,
    async (context) => {
      const { deliveries } = await expectRetried(context, { status: 500 }, 'status 500');
      const [one, other] = deliveries.map((delivery) => headerOf(delivery, 'x-fapi-interaction-id'));
      expect(one !== other, 'another x-fapi-interaction-id in the second attempt', String(other));
    },
    LONG,
  ),
  must(
    'RT-42',
    'Retries back off exponentially.',
    RT_RETRY,
    async (context) => {
      const { retriesMax = WAITS } = context.config.timing;
      requires(retriesMax >= 2, 'The bank retries once only, so that no backoff can be seen (timing.retriesMax).');
      const count = Math.min(retriesMax, WAITS);
      // Measured again before it counts: a machine that stalls once makes one wait too long.
      const first = await measuredWaits(context, count);
      if (isGrowing(first)) return;
      const second = await measuredWaits(context, count);
      expect(
        isGrowing(second),
        `the last wait to be at least ${GROWTH_MIN} times the first`,
        `${shown(first)}; then ${shown(second)}`,
      );
    },
    LONG,
  ),
  should(
    'RT-43',
    'Retry-After of a 503 is honoured.',
    RT_RETRY,
    async (context) => {
      const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) };
      const { deliveries } = await expectRetried(
        context,
        { status: 503, headers },
        '503 with Retry-After',
        RETRY_AFTER_SECONDS * 1000,
      );
      const [waitMs = 0] = waitsOf(deliveries);
      const isHonoured = waitMs >= RETRY_AFTER_SECONDS * 1000 - RETRY_AFTER_TOLERANCE_MS;
      expect(isHonoured, `a wait of ${RETRY_AFTER_SECONDS} s, as Retry-After says`, shown([waitMs]));
    },
    LONG,
  ),
  must(
    'RT-44',
    'After its maximum of retries, the bank ceases.',
    RT_RETRY,
    async (context) => {
      const { endpoint, retriesMax } = await exhausted(context);
      const last = waitsOf(endpoint.deliveries).at(-1) ?? 0;
      const quietMs = Math.max(2 * last, context.config.timing.quietMs);
      const isSent = await endpoint.untilCount(retriesMax + 2, quietMs);
      expect(
        !isSent,
        `no further attempt for ${Math.round(quietMs)} ms after ${retriesMax} retries`,
        'another attempt',
      );
    },
    LONG,
  ),
  must(
    'RT-45',
    'What was not acknowledged stays awaiting: it can be polled, even when the bank has ceased.',
    RT_STEPS,
    async (context) => {
      context.requirePolling();
      const { endpoint } = await exhausted(context);
      const { jti } = claimsOfSet(endpoint.deliveries[0]?.body.toString('utf8') ?? '');
      const { eventMs: timeoutMs, quietMs } = context.config.timing;
      // The bank may need a moment to note how the last attempt ended.
      await context.wait(quietMs / 2);
      const polled = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.has(jti) });
      expect(polled !== undefined, `${jti} to be offered by poll`, 'not offered');
    },
    LONG,
  ),
  must(
    'RT-46',
    'What was acknowledged by poll is not sent again.',
    RT_STEPS,
    async (context) => {
      context.requirePolling();
      const endpoint = await sent(context, () => ({ status: 500 }));
      const { jti } = claimsOfSet(endpoint.deliveries[0]?.body.toString('utf8') ?? '');
      const { eventMs: timeoutMs, retryMs, quietMs } = context.config.timing;
      const polled = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.has(jti) });
      if (polled === undefined) return fail(`${jti} to be offered by poll, since its delivery failed`, 'not offered');
      await context.first.poll({ ack: [jti], maxEvents: 0 });
      // An attempt that has begun may still come.
      await context.wait(Math.min(quietMs, retryMs));
      const before = endpoint.deliveries.length;
      const isSent = await endpoint.untilCount(before + 1, retryMs);
      expect(!isSent, 'no attempt after the acknowledgement by poll', 'another attempt');
    },
    LONG,
  ),
  should(
    'RT-47',
    'A callback URL that is back gets what it missed.',
    'Customer Experience Guidelines, Event Notifications',
    async (context) => {
      const { recoveryMs } = context.config.timing;
      requires(recoveryMs !== undefined, 'No time is configured within which it would be sent (timing.recoveryMs).');
      const { endpoint } = await exhausted(context);
      const before = endpoint.deliveries.length;
      endpoint.answer(() => ({}));
      const isSent = await endpoint.untilCount(before + 1, recoveryMs ?? 0);
      expect(isSent, `the event within ${(recoveryMs ?? 0) / 1000} s of the return`, 'no delivery');
    },
    LONG,
  ),
];

/** Refuses every attempt until the maximum of retries. */
async function exhausted(context: AspspContext): Promise<{ endpoint: CallbackEndpoint; retriesMax: number }> {
  const { retriesMax, retryMs } = context.config.timing;
  if (retriesMax === undefined) {
    requires(false, 'No maximum of retries is configured that could be waited for (timing.retriesMax).');
    return fail('a maximum of retries', 'none');
  }
  const endpoint = await sent(context, () => ({ status: 500 }));
  for (let count = 2; count <= retriesMax + 1; count += 1) {
    // Each wait may be twice the one before.
    const isSent = await endpoint.untilCount(count, retryMs * 2 ** Math.max(0, count - 5));
    expect(isSent, `${retriesMax} retries (timing.retriesMax)`, `${count - 2}`);
  }
  return { endpoint, retriesMax };
}

async function measuredWaits(context: AspspContext, count: number): Promise<number[]> {
  const endpoint = await sent(context, (index) => (index < count ? { status: 503 } : {}));
  for (let at = 2; at <= count + 1; at += 1) {
    const isSent = await endpoint.untilCount(at, context.config.timing.retryMs);
    expect(isSent, `${count} retries, each within timing.retryMs`, `${at - 2}`);
  }
  return waitsOf(endpoint.deliveries);
}

function isGrowing(waits: readonly number[]): boolean {
  return (waits.at(-1) ?? 0) >= (waits[0] ?? 0) * GROWTH_MIN;
}

/** Checks of section 4: what acknowledges, and what follows when nothing does. */
export const RETRY_CHECKS = [...ACKNOWLEDGEMENT_CHECKS, ...ATTEMPT_CHECKS];
