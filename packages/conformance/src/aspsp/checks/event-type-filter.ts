import type { AspspContext } from '../context.ts';
import { checksOf, expect } from '../expect.ts';
import { namesOf } from '../sets.ts';
import { SUB_RESOURCE } from '../sources.ts';

const { must } = checksOf<AspspContext>('Event types of a subscription');
const RESOURCE_UPDATE = 'UK.OBIE.Resource-Update';
const CONSENT_REVOKED = 'UK.OBIE.Consent-Authorization-Revoked';

/** Checks of section 2: which events a subscription is for. */
export const EVENT_TYPE_FILTER_CHECKS = [
  must(
    'POLL-30',
    'An event type that the subscription does not name is not offered.',
    SUB_RESOURCE,
    async (context) => {
      context.requireEvents(RESOURCE_UPDATE);
      await context.subscribeForPolling({ EventTypes: [CONSENT_REVOKED] });
      await context.makeEvent(context.first, RESOURCE_UPDATE);
      const { quietMs: timeoutMs } = context.config.timing;
      const polled = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.size > 0 });
      expect(polled === undefined, 'no SET of another event type', namesOf(polled?.sets ?? new Map()));
    },
  ),
  must('POLL-31', 'An event type that the subscription names is offered.', SUB_RESOURCE, async (context) => {
    context.requireEvents(CONSENT_REVOKED);
    await context.subscribeForPolling({ EventTypes: [CONSENT_REVOKED] });
    await context.offeredEvent(context.first, CONSENT_REVOKED);
  }),
  must('POLL-32', 'A Version below 3.1.2 limits a subscription to resource-update.', SUB_RESOURCE, async (context) => {
    context.requireEvents(CONSENT_REVOKED);
    await context.subscribeForPolling({ Version: '3.1', EventTypes: [CONSENT_REVOKED] });
    await context.makeEvent(context.first, CONSENT_REVOKED);
    const { quietMs: timeoutMs } = context.config.timing;
    const polled = await context.pollUntil(context.first, { timeoutMs, holds: ({ sets }) => sets.size > 0 });
    expect(polled === undefined, 'no SET of another type than resource-update', namesOf(polled?.sets ?? new Map()));
  }),
  must('POLL-33', 'Omitted or empty EventTypes stand for all types.', SUB_RESOURCE, async (context) => {
    for (const EventTypes of [undefined, []]) {
      await context.subscribeForPolling(EventTypes === undefined ? {} : { EventTypes });
      for (const type of context.config.events?.types ?? []) {
        const { jti } = await context.offeredEvent(context.first, type);
        await context.first.poll({ ack: [jti], maxEvents: 0 });
      }
    }
    context.requireEvents();
  }),
];
