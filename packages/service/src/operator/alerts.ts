import { type Static, Type } from 'typebox';
import type { DestinationStatus } from '../alerts/alerts.ts';
import { describeAlert } from '../alerts/message.ts';
import { ALERT_KINDS, type AlertWithMessages, MESSAGE_KINDS } from '../model/alert.ts';
import { auditActorOf } from './access.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { choice, cursor, dateTime, isoTime, limit, pageOf } from './request.ts';
import { json, ok, route } from './route.ts';

const ALERTS_PER_PAGE = 100;
const ALERTS_PER_PAGE_MAX = 500;

const closed = { additionalProperties: false };

/** An alert, and who was told of it. */
const ShownAlert = Type.Object(
  {
    id: Type.String(),
    kind: Type.Enum([...ALERT_KINDS]),
    state: Type.Enum(['open', 'over']),
    subject: Type.String({ description: 'client_id, setting or instance; empty: the service as a whole' }),
    title: Type.String({ description: 'What it is, in one line' }),
    why: Type.String({ description: 'It may hold text that a TPP chose' }),
    since: dateTime('Since when its cause lasts'),
    raisedAt: dateTime('When it was found'),
    clearedAt: Type.Optional(dateTime('When it was over')),
    nextCommand: Type.String({ description: 'The next command to type' }),
    facts: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number()])),
    messages: Type.Array(
      Type.Object(
        {
          destination: Type.String(),
          kind: Type.Enum([...MESSAGE_KINDS]),
          attempts: Type.Integer({ minimum: 0 }),
          sentAt: Type.Optional(dateTime('When it was accepted; absent: it was not yet')),
          error: Type.Optional(Type.String({ description: 'Why the last attempt failed' })),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type ShownAlert = Static<typeof ShownAlert>;

/** One page of alerts, and where alerts are sent. */
export const AlertPage = Type.Object(
  {
    alerts: Type.Array(ShownAlert, { maxItems: ALERTS_PER_PAGE_MAX, description: 'Those raised last first' }),
    destinations: Type.Array(
      Type.Object(
        {
          name: Type.String(),
          type: Type.Enum(['webhook', 'slack', 'email']),
          kinds: Type.Array(Type.Enum([...MESSAGE_KINDS])),
          unsent: Type.Integer({ minimum: 0, description: 'Messages that were not accepted yet' }),
        },
        closed,
      ),
    ),
    next: Type.Optional(Type.String({ description: 'Give it as "before" for the next page; absent on the last one' })),
  },
  closed,
);
export type AlertPage = Static<typeof AlertPage>;

/** The destination to try. */
const AlertTest = Type.Object(
  { destination: Type.String({ minLength: 1, maxLength: 64, description: 'Its name in the configuration' }) },
  closed,
);

/** The result of trying a destination. */
export const AlertTestResult = Type.Object(
  {
    outcome: Type.Enum(['sent', 'failed']),
    error: Type.Optional(Type.String({ description: 'Why it was not accepted' })),
  },
  closed,
);
type AlertTestResult = Static<typeof AlertTestResult>;

/** Alerts of the service itself. */
export const alertRoutes = [
  route({
    operationId: 'listAlerts',
    method: 'get',
    path: '/operator/v1/alerts',
    role: 'viewer',
    tag: 'Upkeep',
    summary: 'List alerts, with the messages about them, and the destinations of alerts',
    query: {
      state: choice('Alerts in this state only', ['open', 'over']),
      before: cursor('"next" of the previous page', { pattern: /^\d{1,15}$/ }),
      limit: limit('Page size', ALERTS_PER_PAGE, ALERTS_PER_PAGE_MAX),
    },
    response: ok('One page', { AlertPage }),
    handler:
      (context) =>
      ({ query }) =>
        list(query, context),
  }),
  route({
    operationId: 'testAlertDestination',
    method: 'post',
    path: '/operator/v1/alerts/test',
    role: 'operator',
    tag: 'Upkeep',
    summary: 'Send a test message to a destination of alerts, and wait for the outcome',
    body: json({ AlertTest }, { example: { destination: 'on-call' } }),
    response: ok('Whether it was accepted', { AlertTestResult }),
    refusals: [404],
    handler:
      ({ alerts, store, clock }) =>
      async ({ body, request }): Promise<AlertTestResult> => {
        const { destination } = body;
        const names = alerts?.destinations().map(({ name }) => name) ?? [];
        if (alerts === undefined || !names.includes(destination)) {
          const known = names.length === 0 ? 'there are none ("notify")' : `there are: ${names.join(', ')}`;
          throw new Problem(404, `There is no destination ${destination} in the configuration; ${known}.`);
        }
        const entry = { action: 'alert-destination-tested', subject: destination, detail: {} };
        await store.audit({ ...auditActorOf(request), ...entry, atMs: clock.nowMs() });
        const result = await alerts.test(destination);
        return result.kind === 'sent' ? { outcome: 'sent' } : { outcome: 'failed', error: result.error };
      },
  }),
];

interface GivenQuery {
  readonly state: 'open' | 'over' | undefined;
  readonly before: string | undefined;
  readonly limit: number;
}

async function list(
  { state, before, limit: most }: GivenQuery,
  { store, alerts }: OperatorContext,
): Promise<AlertPage> {
  const isOpen = state === undefined ? undefined : state === 'open';
  const [found, unsent] = await Promise.all([
    store.alerts({ isOpen, before, limit: most + 1 }),
    store.unsentAlertMessages(),
  ]);
  const { shown, next } = pageOf(found, most, ({ id }) => id);
  const destinations = (alerts?.destinations() ?? []).map((each: DestinationStatus) => {
    return { ...each, kinds: [...each.kinds], unsent: unsent.get(each.name) ?? 0 };
  });
  return { alerts: shown.map(writeAlert), destinations, ...next };
}

function writeAlert(alert: AlertWithMessages): ShownAlert {
  const { id, kind, subject, why, facts, sinceMs, raisedAtMs, clearedAtMs, messages } = alert;
  const isOver = clearedAtMs !== undefined;
  const { title, command: nextCommand } = describeAlert(alert, isOver);
  return {
    ...{ id, kind, state: isOver ? 'over' : 'open', subject, title, why, facts, nextCommand },
    ...{ since: isoTime(sinceMs), raisedAt: isoTime(raisedAtMs) },
    ...(clearedAtMs !== undefined && { clearedAt: isoTime(clearedAtMs) }),
    messages: messages.map(({ destination, kind: about, attempts, sentAtMs, error }) => ({
      ...{ destination, kind: about, attempts },
      ...(sentAtMs !== undefined && { sentAt: isoTime(sentAtMs) }),
      ...(error !== undefined && { error }),
    })),
  };
}
