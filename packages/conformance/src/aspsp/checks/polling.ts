import type { AspspContext } from '../context.ts';
import { checksOf, described, expect, expectError, expectStatus, fail, headerOf, requires } from '../expect.ts';
import { namesOf } from '../sets.ts';
import { POLL, POLL_ENDPOINTS, POLL_RESOURCE, POLL_STEPS, SUB } from '../sources.ts';

const { must, should } = checksOf<AspspContext>('Aggregated polling');
const FORBIDDEN = 403;
const LONG = { timeLimitMs: 900_000 };
const JTI = '3d1b8a0e-5e4e-4f0c-9f4b-4a9d9f1f7a55';

/** A subscription to poll by, for a bank at which events can be made. */
async function ready(context: AspspContext, more: object = {}): Promise<void> {
  context.requirePolling();
  context.requireEvents();
  await context.subscribeForPolling(more);
}

/** Expects that a SET is offered again within a time. */
async function expectReoffered(context: AspspContext, jti: string, timeoutMs: number, why: string): Promise<string> {
  const polled = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.has(jti) });
  return (
    polled?.sets.get(jti) ??
    fail(`${jti} to be offered again within ${timeoutMs / 1000} s, since ${why}`, 'not offered')
  );
}

/** Makes events until so many wait, without a poll that would take one of them. */
async function makeEvents(context: AspspContext, count: number): Promise<void> {
  for (let made = 0; made < count; made += 1) await context.makeEvent(context.first);
}

const OFFER_CHECKS = [
  must(
    'POLL-01',
    'A poll without events is 200 with empty sets and moreAvailable false.',
    POLL_RESOURCE,
    async (context) => {
      context.requirePolling();
      await context.subscribeForPolling();
      for (const version of context.versions) {
        const { sets, moreAvailable, answer } = await context.first.poll({}, { version });
        expect(sets.size === 0 && !moreAvailable, `{"sets":{},"moreAvailable":false} of ${version}`, described(answer));
      }
    },
  ),
  must('POLL-02', 'An event is offered: sets has its SET under its jti.', POLL_RESOURCE, async (context) => {
    await ready(context);
    const { jti, claims, token } = await context.offeredEvent();
    expect(claims.jti === jti, `the SET with the jti ${jti} under that name`, token);
  }),
  must(
    'POLL-03',
    'The answer to a poll is application/json with sets and moreAvailable, and nothing else.',
    POLL_RESOURCE,
    async (context) => {
      context.requirePolling();
      await context.subscribeForPolling();
      const { answer } = await context.first.poll();
      const type = headerOf(answer, 'content-type') ?? 'none';
      expect(/^application\/json(;|$)/i.test(type), 'Content-Type: application/json', type);
      const text = Buffer.from(answer.body).toString();
      const members = text.match(/"(\w+)"\s*:/g) ?? [];
      expect(members.length === 2, 'the members sets and moreAvailable alone', text);
    },
  ),
  must(
    'POLL-04',
    'maxEvents limits the SETs of an answer, and moreAvailable says that there are more.',
    POLL_STEPS,
    async (context) => {
      await ready(context);
      await makeEvents(context, 2);
      const { eventMs: timeoutMs } = context.config.timing;
      const seen = new Set<string>();
      // The bank may need a moment until the second one waits beside the first.
      const polled = await context.pollUntil(context.first, {
        timeoutMs,
        body: { maxEvents: 1 },
        holds: ({ sets }) => {
          for (const jti of sets.keys()) seen.add(jti);
          return sets.size > 0;
        },
      });
      expect(polled !== undefined, 'an event to be offered', 'no SET');
      expect(seen.size === 1, 'one SET with maxEvents 1', `${seen.size}`);
      const rest = await context.pollUntil(context.first, {
        timeoutMs,
        holds: ({ sets }) => [...sets.keys()].some((jti) => !seen.has(jti)),
      });
      expect(rest !== undefined, 'the other event to be offered by the next poll', 'no SET');
    },
  ),
  must('POLL-05', 'moreAvailable is true exactly while more is to be had.', POLL_RESOURCE, async (context) => {
    await ready(context);
    await makeEvents(context, 3);
    const { eventMs: timeoutMs } = context.config.timing;
    const polled = await context.pollUntil(context.first, {
      timeoutMs,
      body: { maxEvents: 1 },
      holds: ({ sets }) => sets.size > 0,
    });
    // Both that are left were made before the poll that offered the first.
    expect(
      polled?.moreAvailable === true,
      'moreAvailable true with two more events',
      polled ? described(polled.answer) : 'no SET',
    );
    const { sets } = await context.first.poll({ ack: [...(polled?.sets.keys() ?? [])] });
    const { moreAvailable, answer } = await context.first.poll({ ack: [...sets.keys()] });
    expect(!moreAvailable, 'moreAvailable false after all were acknowledged', described(answer));
  }),
  must('POLL-06', 'maxEvents 0 only acknowledges: no SET is offered.', POLL_STEPS, async (context) => {
    await ready(context);
    const { jti } = await context.offeredEvent();
    await context.makeEvent(context.first);
    const { sets } = await context.first.poll({ maxEvents: 0, ack: [jti] });
    expect(sets.size === 0, 'no SET with maxEvents 0', namesOf(sets));
  }),
  must(
    'POLL-07',
    'A poll offers SETs of the same registration through both versions.',
    POLL_ENDPOINTS,
    async (context) => {
      for (const version of ['v3.1', 'v4.0'] as const) context.requireVersion(version);
      await context.first.clear();
      context.requirePolling();
      context.requireEvents();
      await context.first.create('event-subscriptions', { Version: '3.1' }, { version: 'v3.1' });
      await context.drain(context.first);
      await context.makeEvent(context.first);
      const endMs = context.clock.monotonicMs() + context.config.timing.eventMs;
      for (;;) {
        const { sets } = await context.first.poll({}, { version: 'v3.1' });
        if (sets.size > 0) return;
        if (context.clock.monotonicMs() > endMs) return fail('a poll of v3.1 to offer the event', 'no SET');
        await context.wait(200);
      }
    },
  ),
];

const ACKNOWLEDGEMENT_CHECKS = [
  must(
    'POLL-10',
    'What is acknowledged is not offered again.',
    POLL_STEPS,
    async (context) => {
      await ready(context);
      const { jti } = await context.offeredEvent();
      const first = await context.first.poll({ ack: [jti] });
      expect(
        !first.sets.has(jti),
        `${jti} not to be offered in the answer to its acknowledgement`,
        namesOf(first.sets),
      );
      const { reofferMs } = context.config.timing;
      const again = await context.pollUntil(context.first, {
        timeoutMs: reofferMs,
        holds: ({ sets }) => sets.has(jti),
      });
      expect(again === undefined, `${jti} not to be offered again after its acknowledgement`, 'offered again');
    },
    LONG,
  ),
  must(
    'POLL-11',
    'What is not acknowledged is offered again.',
    POLL_STEPS,
    async (context) => {
      context.requireAcknowledgements();
      await ready(context);
      const { jti } = await context.offeredEvent();
      await expectReoffered(context, jti, context.config.timing.reofferMs, 'it was not acknowledged');
    },
    LONG,
  ),
  must(
    'POLL-12',
    'A SET that is offered again has the same jti and claims.',
    POLL_STEPS,
    async (context) => {
      context.requireAcknowledgements();
      await ready(context);
      const { jti, token } = await context.offeredEvent();
      const again = await expectReoffered(context, jti, context.config.timing.reofferMs, 'it was not acknowledged');
      expect(again.split('.')[1] === token.split('.')[1], `the same claims for ${jti}`, again);
    },
    LONG,
  ),
  must(
    'POLL-13',
    'A SET that is reported in setErrs stays awaiting, and is offered again.',
    POLL_STEPS,
    async (context) => {
      await ready(context);
      const { jti } = await context.offeredEvent();
      const setErrs = { [jti]: { err: 'invalid_issuer', description: 'The runner reports an error.' } };
      expectStatus((await context.first.poll({ setErrs, maxEvents: 0 })).answer, 200, 'to a poll with setErrs');
      await expectReoffered(context, jti, context.config.timing.reofferAfterErrorMs, 'it was reported as an error');
    },
    LONG,
  ),
  must('POLL-14', 'setErrs takes both vocabularies of err, and codes of neither.', POLL_RESOURCE, async (context) => {
    context.requirePolling();
    await context.subscribeForPolling();
    for (const err of ['jwtIss', 'invalid_issuer', 'something-else']) {
      const { answer } = await context.first.poll({ setErrs: { [JTI]: { err, description: 'An error.' } } });
      expectStatus(answer, 200, `to setErrs with err ${err}`);
    }
  }),
  should(
    'POLL-15',
    'Of ack and setErrs for one jti, the acknowledgement wins.',
    POLL_STEPS,
    async (context) => {
      await ready(context);
      const { jti } = await context.offeredEvent();
      await context.first.poll({ ack: [jti], setErrs: { [jti]: { err: 'invalid_key', description: 'An error.' } } });
      const { reofferAfterErrorMs, reofferMs } = context.config.timing;
      const again = await context.pollUntil(context.first, {
        timeoutMs: Math.max(reofferAfterErrorMs, reofferMs),
        holds: ({ sets }) => sets.has(jti),
      });
      expect(again === undefined, `${jti} not to be offered again`, 'offered again');
    },
    LONG,
  ),
  must('POLL-16', 'An unknown jti in ack is ignored.', POLL_STEPS, async (context) => {
    context.requirePolling();
    await context.subscribeForPolling();
    expectStatus((await context.first.poll({ ack: [JTI] })).answer, 200, 'to ack of an unknown jti');
  }),
  must(
    'POLL-17',
    'Unknown jtis do not keep others from being acknowledged.',
    POLL_STEPS,
    async (context) => {
      await ready(context);
      const { jti } = await context.offeredEvent();
      await context.first.poll({ ack: [JTI, jti] });
      const { reofferMs: timeoutMs } = context.config.timing;
      const again = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.has(jti) });
      expect(again === undefined, `${jti} to be acknowledged beside an unknown one`, 'offered again');
    },
    LONG,
  ),
];

const REQUEST_CHECKS = [
  must('POLL-20', 'Polling needs an event subscription: without one it is 403.', POLL, async (context) => {
    context.requirePolling();
    await context.first.clear();
    for (const version of context.versions) {
      const answer = await context.first.call('POST', 'events', { version, body: {} });
      expectStatus(answer, FORBIDDEN, `to POST ${version}/events without an event subscription`);
    }
  }),
  should('POLL-21', 'A callback URL alone does not let a client poll: 403.', POLL, async (context) => {
    context.requirePolling();
    context.requireCallbackUrls();
    await context.first.clear();
    const data = { Url: 'https://tpp.example/open-banking/v4.0/event-notifications', Version: '3.1' };
    await context.first.create('callback-urls', data);
    expectStatus(
      await context.first.call('POST', 'events', { body: {} }),
      FORBIDDEN,
      'to a poll with a callback URL alone',
    );
  }),
  must('POLL-22', 'An unknown member of a poll is 400.', POLL_RESOURCE, async (context) => {
    await expectPollRefused(context, { unknown: 1 }, 'an unknown member');
  }),
  must('POLL-23', 'maxEvents that is negative or no whole number is 400.', POLL_RESOURCE, async (context) => {
    for (const maxEvents of [-1, 1.5, '1', null])
      await expectPollRefused(context, { maxEvents }, `maxEvents ${JSON.stringify(maxEvents)}`);
  }),
  must('POLL-24', 'Members of a wrong type are 400.', POLL_RESOURCE, async (context) => {
    const bodies = [
      { returnImmediately: 'yes' },
      { ack: 'a' },
      { ack: [1] },
      { setErrs: [] },
      { setErrs: { a: 'b' } },
      { setErrs: { a: {} } },
    ];
    for (const body of bodies) await expectPollRefused(context, body, JSON.stringify(body));
  }),
  should(
    'POLL-25',
    'err of more than 40 and description of more than 256 characters are 400.',
    POLL_RESOURCE,
    async (context) => {
      await expectPollRefused(
        context,
        { setErrs: { [JTI]: { err: 'x'.repeat(41), description: 'x' } } },
        'an err of 41 characters',
      );
      await expectPollRefused(
        context,
        { setErrs: { [JTI]: { err: 'x', description: 'x'.repeat(257) } } },
        'a description of 257 characters',
      );
    },
  ),
  must('POLL-26', 'A poll that is not JSON is 400.', POLL_RESOURCE, async (context) => {
    context.requirePolling();
    await context.subscribeForPolling();
    for (const body of ['{', '[]', 'null']) {
      expectStatus(await context.first.call('POST', 'events', { body }), 400, `to the body ${body}`);
    }
  }),
  should('POLL-28', 'At a bank without polling, /events is 404.', POLL, async ({ config, first, versions }) => {
    requires(!config.features.polling, 'The bank offers aggregated polling (features.polling).');
    for (const version of versions) {
      expectStatus(await first.call('POST', 'events', { version, body: {} }), 404, `to POST ${version}/events`);
    }
  }),
  must('POLL-27', 'After its subscription is deleted, a client cannot poll: 403.', SUB, async (context) => {
    context.requirePolling();
    await context.subscribeForPolling();
    await context.first.clear();
    expectStatus(await context.first.call('POST', 'events', { body: {} }), FORBIDDEN, 'to a poll after DELETE');
  }),
];

async function expectPollRefused(context: AspspContext, body: object, what: string): Promise<void> {
  context.requirePolling();
  const [found] = await context.first.list('event-subscriptions');
  if (found === undefined) await context.subscribeForPolling();
  for (const version of context.versions) {
    const answer = await context.first.call('POST', 'events', { version, body });
    const kinds = ['ResourceInvalidFormat', 'FieldInvalid', 'FieldMissing', 'FieldUnexpected'] as const;
    expectError(answer, { kinds, version, when: `to a poll of ${version} with ${what}` });
  }
}

/** Checks of section 6: what is offered, acknowledged and refused. */
export const POLLING_CHECKS = [...OFFER_CHECKS, ...ACKNOWLEDGEMENT_CHECKS, ...REQUEST_CHECKS];
