import type { Schemas } from './client.ts';
import { describeAttempt } from './health.ts';

type Notification = Schemas['ShownNotification'];
type Attempt = Notification['attempts'][number];

/** Who stands at a lifeline of the sequence diagram. */
export type Party = 'bank' | 'tidings' | 'tpp';

/** One arrow of the diagram; from and to are the same for what happens at one party. */
export interface Step {
  readonly key: string;
  /** Undefined: the time is not kept. */
  readonly at?: string | undefined;
  readonly from: Party;
  readonly to: Party;
  readonly text: string;
  readonly detail?: string | undefined;
  readonly tone: 'plain' | 'good' | 'bad' | 'due';
}

/** The steps of a notification in their order, as the sequence diagrams of the standard draw them. */
export function stepsOf(notification: Notification): readonly Step[] {
  const { publishedAt, eventId, set, attempts, errors } = notification;
  const claims = notification.claims as Readonly<Record<string, unknown>>;
  const header = notification.header as Readonly<Record<string, unknown>> | undefined;
  const toe = claims['toe'];
  const occurredAt = typeof toe === 'number' ? new Date(toe * 1000).toISOString() : undefined;
  const ordered = attempts.toSorted((left, right) => left.startedAt.localeCompare(right.startedAt));
  const signedAt = ordered[0]?.startedAt;
  return [
    {
      key: 'occurred',
      at: occurredAt,
      from: 'bank',
      to: 'bank',
      text: 'Event occurs',
      detail: 'claim toe',
      tone: 'plain',
    },
    {
      key: 'published',
      at: publishedAt,
      from: 'bank',
      to: 'tidings',
      text: 'Publish event',
      detail: eventId,
      tone: 'plain',
    },
    ...(set === undefined ? [] : [signed(signedAt, header?.['kid'])]),
    ...ordered.flatMap(attemptSteps),
    ...errors.map(({ reportedAt, err, description }, at): Step => {
      const text = `Error in a poll: ${err}`;
      return { key: `error-${at}`, at: reportedAt, from: 'tpp', to: 'tidings', text, detail: description, tone: 'bad' };
    }),
    ...ending(notification),
  ];
}

function signed(at: string | undefined, kid: unknown): Step {
  const detail = typeof kid === 'string' ? `with key ${kid}` : undefined;
  return { key: 'signed', at, from: 'tidings', to: 'tidings', text: 'Sign the SET', detail, tone: 'plain' };
}

function attemptSteps(attempt: Attempt, index: number): readonly Step[] {
  const { startedAt, durationMs, outcome, interactionId, callbackUrl, interactionIdEchoed, detail } = attempt;
  const endedAt = new Date(Date.parse(startedAt) + durationMs).toISOString();
  const isGood = outcome === 'acknowledged';
  const sent = `${callbackUrl}, interaction id ${interactionId}`;
  const missing = interactionIdEchoed === false ? 'without the interaction id it owes' : undefined;
  const answered = {
    key: `answer-${index}`,
    at: endedAt,
    text: `${outcome === 'unreachable' ? 'No answer: ' : ''}${describeAttempt(attempt)}`,
    detail: [attempt.description, detail, missing].filter((each) => each !== undefined).join('; ') || undefined,
    tone: isGood ? ('good' as const) : ('bad' as const),
  };
  return [
    {
      ...{ key: `attempt-${index}`, at: startedAt, from: 'tidings', to: 'tpp', tone: 'plain' },
      text: `Attempt ${index + 1}: POST the SET`,
      detail: sent,
    },
    outcome === 'unreachable'
      ? { ...answered, from: 'tidings', to: 'tidings' }
      : { ...answered, from: 'tpp', to: 'tidings' },
  ];
}

function ending(notification: Notification): readonly Step[] {
  const { state, acknowledgedAt, acknowledgedBy, nextAttemptAt } = notification;
  const atTidings = { from: 'tidings', to: 'tidings' } as const;
  if (state === 'withdrawn') return [{ key: 'end', ...atTidings, text: 'Withdrawn', tone: 'bad' }];
  if (state === 'expired') return [{ key: 'end', ...atTidings, text: 'Expired', tone: 'bad' }];
  if (state === 'acknowledged' && acknowledgedBy === 'poll') {
    return [
      { key: 'end', at: acknowledgedAt, from: 'tpp', to: 'tidings', text: 'Acknowledged in a poll', tone: 'good' },
    ];
  }
  if (state === 'acknowledged' && acknowledgedBy === 'offer') {
    const text = 'Offered in a poll; no acknowledgement is expected';
    return [{ key: 'end', at: acknowledgedAt, from: 'tidings', to: 'tpp', text, tone: 'good' }];
  }
  if (state === 'awaiting' && nextAttemptAt !== undefined) {
    return [{ key: 'end', at: nextAttemptAt, from: 'tidings', to: 'tpp', text: 'Next attempt is due', tone: 'due' }];
  }
  if (state === 'awaiting')
    return [{ key: 'end', ...atTidings, text: 'Awaiting, to be polled or pushed', tone: 'due' }];
  return [];
}
