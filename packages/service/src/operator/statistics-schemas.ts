import { type Static, Type } from 'typebox';

const closed = { additionalProperties: false };
const some = Type.Optional(Type.Integer({ minimum: 1 }));
const count = (description: string) => Type.Integer({ minimum: 0, description });
const time = (description: string) => Type.String({ format: 'date-time', description });

const Percentiles = Type.Object(
  { p50: Type.Number({ minimum: 0 }), p90: Type.Number({ minimum: 0 }), p99: Type.Number({ minimum: 0 }) },
  { ...closed, description: 'Milliseconds from publishing to acknowledgement, each to within 10 %' },
);

const counted = {
  accepted: count('Notifications that were made'),
  repeated: count('Events that had been published before'),
  withoutNotification: Type.Object(
    { 'unknown-client': some, 'no-registration': some, 'type-filtered': some, 'version-below-minimum': some },
    { ...closed, description: 'Events that made no notification, by reason' },
  ),
  attempts: Type.Object(
    {
      acknowledged: some,
      'refused-410': some,
      'refused-429': some,
      'refused-4xx': some,
      'refused-5xx': some,
      'refused-other': some,
      'unreachable-dns': some,
      'unreachable-forbidden-address': some,
      'unreachable-connect': some,
      'unreachable-tls': some,
      'unreachable-timeout': some,
      'unreachable-reset': some,
      'unreachable-oversized': some,
      'unreachable-malformed': some,
    },
    {
      ...closed,
      description: 'By what they came to; refused-4xx and refused-5xx without those that stand by themselves',
    },
  ),
  acknowledged: Type.Object(
    { push: some, poll: some, offer: some },
    { ...closed, description: 'Notifications, by how they were acknowledged' },
  ),
  reportedErrors: count('Errors that TPPs reported in polls'),
  becameUnresponsive: count('Callback URLs that passed a limit of the retry policy'),
  cameBack: count('Callback URLs that came back by an acknowledgement, or by the operator'),
  latencyMs: Type.Optional(Percentiles),
};

/** What was counted. */
export const Counts = Type.Object(counted, closed);
export type Counts = Static<typeof Counts>;

/** Counts over time. */
export const StatisticsAnswer = Type.Object(
  {
    resolution: Type.Enum(['minute', 'hour']),
    from: time('When the first bucket that was asked for begins'),
    before: time('Buckets that begin before'),
    clientId: Type.Optional(Type.String()),
    totals: Type.Object(counted, { ...closed, description: 'Of all of this time' }),
    buckets: Type.Array(Type.Object({ beganAt: time('When the minute or hour began'), ...counted }, closed), {
      description: 'The oldest first; those in which nothing happened are left out',
    }),
  },
  closed,
);
export type StatisticsAnswer = Static<typeof StatisticsAnswer>;
