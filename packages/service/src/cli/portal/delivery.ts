import type { Config } from '../../config/schema.ts';
import type { Outcome } from '../../model/attempt.ts';
import { afterFailure, type RetryPolicy } from '../../notify/retry-policy.ts';
import { markdownTable, sayDuration } from './markdown.ts';

/** Real time: what acknowledges, and the Event Notification Retry Policy. */
export function realTimeNotes(config: Config): string {
  const { retry, delivery, breaker, unresponsive, financialId } = config;
  const retries = scheduleOf(retry);
  const last = retries.at(-1);
  const jitter = Math.round(retry.jitter * 100);
  return `## Real-time notifications

We POST the event notification, a signed token (\`application/jwt\`), to your callback URL with a fresh
\`x-fapi-interaction-id\`, which you give back${financialId === undefined ? '' : `, and with \`x-fapi-financial-id: ${financialId}\``}. **Only 202 acknowledges.** We follow no redirect. You have ${sayDuration(delivery.timeoutMs)} for the whole
exchange, connection included. At most ${delivery.concurrencyPerTppMax} notifications are under way to you at once. Your endpoint is plain
server-authenticated TLS 1.2 or later; we present no client certificate. You may get a notification twice: tell it by its
\`jti\`, which stays the same, as does the token.

### Retry policy

Anything but 202 (another status, a timeout, a refused connection, a TLS failure) is tried again: ${sayDuration(retry.delayMs)} after
the first attempt, then after twice the wait each time, at most ${sayDuration(retry.delayMaxMs)}. Each wait may be up to ${jitter} % shorter, so
that retries spread. There are at most ${retry.retriesMax} retries, within ${sayDuration(retry.intervalMaxMs)} of the first attempt, whichever ends
first. On 429 and 503, \`Retry-After\` lengthens a wait, within ${sayDuration(retry.delayMaxMs)}.

${markdownTable(['retry', 'wait before it', 'since the first attempt'], scheduleRows(retries))}

${last === undefined ? 'There is no retry.' : `So there are ${retries.length} retries, over ${sayDuration(last.sinceFirstMs)} when each attempt fails at once; the time that attempts take is added, and shifts what follows.`}

### Unresponsive callback URLs

When the policy is used up for one notification, or you answer 410, your callback URL counts as unresponsive, and all attempts
to it cease. Nothing is lost: everything stays awaiting${config.polling.isOffered ? ', and you can collect it by polling' : ''}. We probe the URL with the oldest notification,
${sayDuration(unresponsive.probeDelayMs)} later at first, then after twice the wait each time, at most ${sayDuration(unresponsive.probeDelayMaxMs)}. Your 202, or a PUT of your registration, shows that
you are back: everything that is awaiting is then sent, oldest first, with the whole policy before it, about ${unresponsive.rampPerSecond} a second at
first and twice as many every ${sayDuration(unresponsive.rampDoublingMs)}.

Before that, where at least ${Math.round(breaker.failureShare * 100)} % of the last ${breaker.attemptsMin} attempts failed, attempts pause for ${sayDuration(breaker.pauseMs)} and longer, at most
${sayDuration(breaker.pauseMaxMs)}, with one attempt after each pause. What waits meanwhile loses none of its retries.

### Where callback URLs may lead

The host of your callback URL must have public addresses only, each time that we connect: one that is private, loopback,
link-local or reserved refuses the registration (400), or fails the attempt. Names are looked up by DNS. Its port must be one
of: ${delivery.callbackPortsAllowed.join(', ')}; none written is 443.`;
}

/** Aggregated polling: caps, defaults, intervals. */
export function pollingNotes({ polling, realTime }: Config): string {
  const { longPollMaxMs, isAcknowledgementExpected } = polling;
  const rows = [
    [
      'SETs in an answer when you name no `maxEvents`',
      String(Math.min(polling.maxEventsDefault, polling.maxEventsMax)),
    ],
    ['most SETs in an answer, whatever you name', String(polling.maxEventsMax)],
    ['polling interval that we recommend', sayDuration(polling.intervalSeconds * 1000)],
    [
      'longest long poll',
      longPollMaxMs === 0 ? 'not offered: every poll is answered at once' : sayDuration(longPollMaxMs),
    ],
    ['polls of one TPP answered at once; beyond, 429 with `Retry-After`', String(polling.pollsPerTppMax)],
    ...(longPollMaxMs === 0 ? [] : [['long polls of one TPP held at once', String(polling.longPollsPerTppMax)]]),
    ...(isAcknowledgementExpected
      ? [
          ['offered again when not acknowledged', `after ${sayDuration(polling.reofferMs)}`],
          ['offered again when you reported an error', `after ${sayDuration(polling.reofferAfterErrorMs)}`],
        ]
      : []),
  ];
  return `## Aggregated polling

\`POST /events\` acknowledges (\`ack\`), reports errors (\`setErrs\`) and collects what is awaiting, oldest first. It needs an event
subscription (403 without one)${realTime.isOffered ? ', with or without a callback URL; what one way acknowledged is not offered the other way' : ''}.

${markdownTable(['what', 'how much'], rows)}

- ${sayAcknowledgement(isAcknowledgementExpected)}
- What you acknowledge in a poll is applied before its answer is made. \`maxEvents: 0\` acknowledges only.
- \`returnImmediately: false\` asks for a long poll; left out, the answer comes at once.${longPollMaxMs === 0 ? '' : ' Beyond the number of long polls that\n  may be held, polls are answered at once.'}
- \`moreAvailable\` is true exactly when more could be had now: poll again at once.
- Neither the request nor the answer is signed; each SET is.`;
}

function sayAcknowledgement(isExpected: boolean): string {
  if (!isExpected) {
    return 'No acknowledgement is expected: each SET is offered once, and being offered acknowledges it.';
  }
  return `Acknowledge each SET by its \`jti\`. One that you report in \`setErrs\` stays awaiting and is offered again; with the same \`jti\`
  in both, the acknowledgement wins.`;
}

/** One retry: how long after the attempt before it, and after the first one, at the latest. */
interface Retry {
  readonly number: number;
  readonly waitMs: number;
  readonly sinceFirstMs: number;
}

const REFUSED: Outcome = { kind: 'refused', status: 500 };

/**
 * The retries of a notification that is never acknowledged, by the very function that schedules them: without jitter,
 * without Retry-After, and with attempts that fail at once.
 */
function scheduleOf(policy: RetryPolicy): readonly Retry[] {
  const retries: Retry[] = [];
  let nowMs = 0;
  while (true) {
    const attempts = retries.length + 1;
    const next = afterFailure(policy, { outcome: REFUSED, attempts, roundBeganAtMs: 0, nowMs, fraction: 0 });
    if (next.kind !== 'retry') return retries;
    retries.push({ number: retries.length + 1, waitMs: next.atMs - nowMs, sinceFirstMs: next.atMs });
    nowMs = next.atMs;
  }
}

/** Rows for the schedule; retries that wait equally long are one row. */
function scheduleRows(retries: readonly Retry[]): string[][] {
  const rows: { first: Retry; last: Retry }[] = [];
  for (const retry of retries) {
    const row = rows.at(-1);
    if (row !== undefined && row.last.waitMs === retry.waitMs) row.last = retry;
    else rows.push({ first: retry, last: retry });
  }
  return rows.map(({ first, last }) => {
    const since = first === last ? '' : `${sayDuration(first.sinceFirstMs)} to `;
    return [
      first === last ? String(first.number) : `${first.number} to ${last.number}`,
      sayDuration(first.waitMs),
      `${since}${sayDuration(last.sinceFirstMs)}`,
    ];
  });
}
