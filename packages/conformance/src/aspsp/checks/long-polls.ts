import { polledOf } from '../bank-client.ts';
import type { AspspContext } from '../context.ts';
import { checksOf, expect, requires } from '../expect.ts';
import { namesOf } from '../sets.ts';
import { POLL_STEPS } from '../sources.ts';

const { must, may } = checksOf<AspspContext>('Long polls');
/** Times of a poll that has to be answered at once, and of one that has to wait; between them lies the network. */
const AT_ONCE_MS = 5000;
const HELD_MS = 800;

function requireLongPolling(context: AspspContext): void {
  context.requirePolling();
  requires(context.config.features.longPolling, 'The bank does not offer long polls (features.longPolling).');
}

function longPoll({ first, config }: AspspContext) {
  const timeoutMs = config.timing.longPollMs + config.timing.requestMs;
  return first.call('POST', 'events', { body: { returnImmediately: false }, timeoutMs });
}

/** Checks of section 6: returnImmediately. */
export const LONG_POLL_CHECKS = [
  must('POLL-40', 'returnImmediately true is answered at once.', POLL_STEPS, async (context) => {
    context.requirePolling();
    await context.subscribeForPolling();
    const { answer } = await context.first.poll({ returnImmediately: true });
    expect(
      answer.durationMs < AT_ONCE_MS,
      `an answer within ${AT_ONCE_MS} ms`,
      `after ${Math.round(answer.durationMs)} ms`,
    );
  }),
  may(
    'POLL-41',
    'A long poll is held while there is nothing, then answered with empty sets.',
    POLL_STEPS,
    async (context) => {
      requireLongPolling(context);
      await context.subscribeForPolling();
      const { longPollMs } = context.config.timing;
      const answer = await longPoll(context);
      const { sets } = polledOf(answer);
      expect(sets.size === 0, 'empty sets', namesOf(sets));
      expect(
        answer.durationMs >= HELD_MS,
        'the poll to be held',
        `an answer after ${Math.round(answer.durationMs)} ms`,
      );
      expect(
        answer.durationMs <= longPollMs + AT_ONCE_MS,
        `an answer after at most ${longPollMs} ms`,
        `${Math.round(answer.durationMs)} ms`,
      );
    },
  ),
  may('POLL-42', 'An event that occurs meanwhile ends a long poll.', POLL_STEPS, async (context) => {
    requireLongPolling(context);
    context.requireEvents();
    requires(
      context.config.events?.make.kind !== 'ask',
      'A person is not quick enough to make an event during a long poll (events.make).',
    );
    await context.subscribeForPolling();
    const polling = longPoll(context);
    await context.wait(HELD_MS);
    await context.makeEvent(context.first);
    const { sets } = polledOf(await polling);
    expect(sets.size === 1, 'the event in the answer to the long poll', namesOf(sets));
  }),
  may('POLL-43', 'A long poll with events that wait is answered at once.', POLL_STEPS, async (context) => {
    requireLongPolling(context);
    context.requireEvents();
    await context.subscribeForPolling();
    await context.offeredEvent();
    await context.makeEvent(context.first);
    await context.wait(HELD_MS);
    const answer = await longPoll(context);
    const { sets } = polledOf(answer);
    const isAtOnce = answer.durationMs < AT_ONCE_MS;
    expect(
      sets.size > 0 && isAtOnce,
      'the event at once',
      `${namesOf(sets)} after ${Math.round(answer.durationMs)} ms`,
    );
  }),
];
