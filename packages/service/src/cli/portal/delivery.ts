import type { Config } from '../../config/schema.ts';
import type { Outcome } from '../../model/attempt.ts';
import { afterFailure, type RetryPolicy } from '../../notify/retry-policy.ts';
import { formatDuration, formatTable } from './markdown.ts';

/** The section about real-time notifications and the Event Notification Retry Policy. */
export function realTimeNotes(config: Config): string {
  const { retry, delivery, breaker, unresponsive, financialId } = config;
  const retries = scheduleOf(retry);
  const last = retries.at(-1);
  const jitter = Math.round(retry.jitter * 100);
  return `## Real-time notifications

We POST each event notification, a signed token (\`application/jwt\`), to your callback URL with a new
\`x-fapi-interaction-id\`, which you must return${financialId === undefined ? '' : `, and with \`x-fapi-financial-id: ${financialId}\``}. **Only status 202 acknowledges a
notification.** We do not follow redirects. You have ${formatDuration(delivery.timeoutMs)} for the whole exchange, including the connection. We send you
at most ${delivery.concurrencyPerTppMax} notifications in parallel. Your endpoint must offer TLS 1.2 or later with a server certificate; we present
no client certificate. You may receive a notification more than once: recognise duplicates by \`jti\`. The token is the same each
time.

### Retry policy

After any other outcome (another status, a timeout, a refused connection, a TLS failure) we try again: first after
${formatDuration(retry.delayMs)}, then after twice the previous wait each time, up to ${formatDuration(retry.delayMaxMs)}. A wait may be up to ${jitter} % shorter, so that
retries are spread out. There are at most ${retry.retriesMax} retries, all within ${formatDuration(retry.intervalMaxMs)} of the first attempt. With status 429
or 503, \`Retry-After\` can lengthen a wait, up to ${formatDuration(retry.delayMaxMs)}.

${formatTable(['retry', 'wait before the retry', 'time since the first attempt'], scheduleRows(retries))}

${last === undefined ? 'There is no retry.' : `This makes ${retries.length} retries over ${formatDuration(last.sinceFirstMs)} if each attempt fails immediately. The duration of attempts delays the following retries.`}

### Unresponsive callback URLs

When the retries of one notification are exhausted, or you answer with 410, your callback URL becomes unresponsive and we stop
sending to it. No notification is lost: all stay awaiting${config.polling.isOffered ? ', and you can collect them by polling' : ''}. We probe the URL with the oldest notification, first
after ${formatDuration(unresponsive.probeDelayMs)}, then after twice the previous wait each time, up to ${formatDuration(unresponsive.probeDelayMaxMs)}. The URL recovers when you answer a probe with
202, or when you PUT your registration. We then send all awaiting notifications, oldest first, each with the full retry policy,
at about ${unresponsive.rampPerSecond} per second at first. The rate doubles every ${formatDuration(unresponsive.rampDoublingMs)}.

Even before that, if at least ${Math.round(breaker.failureShare * 100)} % of the last ${breaker.attemptsMin} attempts failed, we pause for ${formatDuration(breaker.pauseMs)}, and longer each time, up to
${formatDuration(breaker.pauseMaxMs)}, with one attempt after each pause. Notifications that wait meanwhile lose none of their retries.

### Allowed addresses and ports

The host of your callback URL must resolve (by DNS) to public addresses only, every time we connect. If one is private, loopback,
link-local or reserved, the registration is refused with 400, or the attempt fails. These ports are allowed:
${delivery.callbackPortsAllowed.join(', ')}. A URL without a port uses 443.`;
}

/** The section about aggregated polling, with its limits, defaults and intervals. */
export function pollingNotes({ polling, realTime }: Config): string {
  const { longPollMaxMs, isAcknowledgementExpected } = polling;
  const rows = [
    ['SETs per response if you send no `maxEvents`', String(Math.min(polling.maxEventsDefault, polling.maxEventsMax))],
    ['maximum number of SETs per response, whatever your `maxEvents`', String(polling.maxEventsMax)],
    ['recommended polling interval', formatDuration(polling.intervalSeconds * 1000)],
    [
      'maximum duration of a long poll',
      longPollMaxMs === 0 ? 'not offered: every poll is answered immediately' : formatDuration(longPollMaxMs),
    ],
    ['parallel polls per TPP; further ones are refused with 429 and `Retry-After`', String(polling.pollsPerTppMax)],
    ...(longPollMaxMs === 0 ? [] : [['parallel long polls per TPP', String(polling.longPollsPerTppMax)]]),
    ...(isAcknowledgementExpected
      ? [
          ['a SET that you did not acknowledge is returned again', `after ${formatDuration(polling.reofferMs)}`],
          [
            'a SET for which you reported an error is returned again',
            `after ${formatDuration(polling.reofferAfterErrorMs)}`,
          ],
        ]
      : []),
  ];
  return `## Aggregated polling

\`POST /events\` acknowledges SETs (\`ack\`), reports errors (\`setErrs\`) and returns awaiting SETs, oldest first. It requires an
event subscription (otherwise 403)${realTime.isOffered ? ', with or without a callback URL. A notification acknowledged on push is not returned in a poll, and vice versa' : ''}.

${formatTable(['limit', 'value'], rows)}

- ${describeAcknowledgement(isAcknowledgementExpected)}
- Acknowledgements in a poll take effect before its response is created. \`maxEvents: 0\` only acknowledges.
- \`returnImmediately: false\` requests a long poll; without it, the response is immediate.${longPollMaxMs === 0 ? '' : ' Polls beyond the number of parallel\n  long polls are answered immediately.'}
- \`moreAvailable\` is true if further SETs are available now: poll again immediately.
- Neither the request nor the response is signed, but each SET is.`;
}

function describeAcknowledgement(isExpected: boolean): string {
  if (!isExpected) {
    return 'No acknowledgement is expected: each SET is returned once, which acknowledges it.';
  }
  return `Acknowledge each SET by its \`jti\`. A SET that you report in \`setErrs\` stays awaiting and is returned again. If a \`jti\` is in
  both, the acknowledgement takes precedence.`;
}

/** One retry: the latest time after the previous attempt, and after the first one. */
interface Retry {
  readonly number: number;
  readonly waitMs: number;
  readonly sinceFirstMs: number;
}

const REFUSED: Outcome = { kind: 'refused', status: 500 };

/**
 * The retries of a notification that is never acknowledged, computed by the function that schedules them: without jitter,
 * without Retry-After, and with attempts that fail immediately.
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

/** Table rows of the schedule; consecutive retries with the same wait share a row. */
function scheduleRows(retries: readonly Retry[]): string[][] {
  const rows: { first: Retry; last: Retry }[] = [];
  for (const retry of retries) {
    const row = rows.at(-1);
    if (row !== undefined && row.last.waitMs === retry.waitMs) row.last = retry;
    else rows.push({ first: retry, last: retry });
  }
  return rows.map(({ first, last }) => {
    const since = first === last ? '' : `${formatDuration(first.sinceFirstMs)} to `;
    return [
      first === last ? String(first.number) : `${first.number} to ${last.number}`,
      formatDuration(first.waitMs),
      `${since}${formatDuration(last.sinceFirstMs)}`,
    ];
  });
}
