import type { AspspContext } from '../context.ts';
import { checksOf, expect, expectStatus } from '../expect.ts';
import { namesOf } from '../sets.ts';
import { POLL_STEPS, RT_STEPS, RW_SECURITY, SUB } from '../sources.ts';

const { must } = checksOf<AspspContext>('Isolation of clients');
const PATH = 'event-subscriptions';
const FORBIDDEN = 403;

/** The first client has a registration, the second none. */
async function firstRegistered({ first, second }: AspspContext): Promise<string> {
  await first.clear();
  await second.clear();
  return await first.create(PATH, { Version: '3.1' });
}

/** Both have a registration to poll by, and nothing waits. */
async function bothSubscribed(context: AspspContext): Promise<void> {
  context.requireEvents();
  await context.subscribeForPolling({}, [context.first, context.second]);
}

/** Checks of section 8 and of ownership in sections 2, 4 and 6. */
export const ISOLATION_CHECKS = [
  must('ISO-01', 'A client does not see the registrations of another one.', SUB, async (context) => {
    await firstRegistered(context);
    const list = await context.second.list(PATH);
    expect(list.length === 0, 'an empty list for the other client', JSON.stringify(list));
  }),
  must('ISO-02', 'A client cannot change the registration of another one: 403.', RW_SECURITY, async (context) => {
    const id = await firstRegistered(context);
    const body = { Data: { EventSubscriptionId: id, Version: '3.1', EventTypes: ['UK.OBIE.Resource-Update'] } };
    const answer = await context.second.call('PUT', `${PATH}/${id}`, { body });
    const [kept] = await context.first.list(PATH);
    expect(
      kept !== undefined && kept['EventTypes'] === undefined,
      'the registration to be unchanged',
      JSON.stringify(kept),
    );
    expectStatus(answer, FORBIDDEN, 'to PUT of what another client registered');
  }),
  must('ISO-03', 'A client cannot delete the registration of another one: 403.', RW_SECURITY, async (context) => {
    const id = await firstRegistered(context);
    const answer = await context.second.call('DELETE', `${PATH}/${id}`);
    expect((await context.first.list(PATH)).length === 1, 'the registration to be kept', 'none');
    expectStatus(answer, FORBIDDEN, 'to DELETE of what another client registered');
  }),
  must('ISO-04', 'Each client has a registration of its own.', SUB, async (context) => {
    const id = await firstRegistered(context);
    const other = await context.second.create(PATH, { Version: '3.1' });
    expect(other !== id, 'another EventSubscriptionId for the other client', other);
    expect(
      (await context.first.list(PATH))[0]?.['EventSubscriptionId'] === id,
      'the first registration to be kept',
      'another one',
    );
  }),
  must('ISO-05', 'An event of one client is not offered to another one.', POLL_STEPS, async (context) => {
    await bothSubscribed(context);
    await context.makeEvent(context.first);
    // The other one polls first: what has been offered to its own client may be withheld for a while.
    const { quietMs: timeoutMs, eventMs } = context.config.timing;
    const other = await context.pollUntil(context.second, { timeoutMs, holds: ({ sets }) => sets.size > 0 });
    expect(other === undefined, 'nothing for the other client', namesOf(other?.sets ?? new Map()));
    const own = await context.pollUntil(context.first, { timeoutMs: eventMs, holds: ({ sets }) => sets.size > 0 });
    expect(own !== undefined, 'the event for its own client', 'no SET');
  }),
  must(
    'ISO-06',
    'The acknowledgement of another client does not count.',
    POLL_STEPS,
    async (context) => {
      context.requireAcknowledgements();
      await bothSubscribed(context);
      const { jti } = await context.offeredEvent(context.first);
      expectStatus((await context.second.poll({ ack: [jti] })).answer, 200, 'to ack of an unknown jti');
      const offered = await context.pollUntil(context.first, {
        timeoutMs: context.config.timing.reofferMs,
        holds: ({ sets }) => sets.has(jti),
      });
      expect(
        offered !== undefined,
        `${jti} to be offered again, since its own client did not acknowledge it`,
        'not offered',
      );
    },
    { timeLimitMs: 600_000 },
  ),
  must(
    'ISO-07',
    'An event of one client is not sent to the callback URL of another one.',
    RT_STEPS,
    async (context) => {
      const [own, other] = [context.receiver(), context.receiver()];
      context.requireEvents();
      await context.first.clear();
      await context.second.clear();
      const Version = context.registrationVersion;
      await context.first.create(PATH, { CallbackUrl: own.url, Version });
      await context.second.create(PATH, { CallbackUrl: other.url, Version });
      await context.makeEvent(context.first);
      const { eventMs, quietMs } = context.config.timing;
      expect(await own.untilCount(1, eventMs), 'a delivery to the client of the event', 'none');
      expect(!(await other.untilCount(1, quietMs)), 'no delivery to the other client', 'a delivery');
      await context.second.clear();
    },
  ),
];
