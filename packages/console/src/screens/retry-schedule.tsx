import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import type { Schemas } from '../api/client.ts';
import { configurationQuery } from '../api/queries.ts';
import { Loaded } from '../ui/page.tsx';
import { formatDuration } from '../ui/time.tsx';

interface Policy {
  readonly delayMs: number;
  readonly delayMaxMs: number;
  readonly retriesMax: number;
  readonly intervalMaxMs: number;
}

const NAMES = ['delayMs', 'delayMaxMs', 'retriesMax', 'intervalMaxMs'] as const;

/** The effective retry policy of a TPP: its own settings over those of the service, and when the retries come of it. */
export function RetrySchedule({ own = {} }: { readonly own?: Schemas['RegisteredTpp']['retry'] }): ReactElement {
  const configuration = useQuery(configurationQuery);
  return (
    <Loaded query={configuration}>
      {({ settings }) => {
        const configured = new Map(settings.map(({ setting, value }) => [setting, value]));
        const policy = Object.fromEntries(
          NAMES.map((name) => [name, own[name] ?? Number(configured.get(`retry.${name}`) ?? 0)]),
        ) as unknown as Policy;
        return <Drawn policy={policy} own={own} />;
      }}
    </Loaded>
  );
}

/** Times of the retries after the first attempt, without jitter and Retry-After. */
function retryTimesMs({ delayMs, delayMaxMs, retriesMax, intervalMaxMs }: Policy): readonly number[] {
  const times: number[] = [];
  let atMs = 0;
  for (let retry = 0; retry < retriesMax; retry += 1) {
    atMs += Math.min(delayMs * 2 ** retry, delayMaxMs);
    if (atMs > intervalMaxMs) break;
    times.push(atMs);
  }
  return times;
}

const WIDTH = 640;
const LEFT = 12;

function Drawn({
  policy,
  own,
}: {
  readonly policy: Policy;
  readonly own: NonNullable<Schemas['RegisteredTpp']['retry']>;
}): ReactElement {
  const times = retryTimesMs(policy);
  const lastMs = times.at(-1) ?? 1;
  // Waits double, so only their logarithm has room.
  const x = (atMs: number) => LEFT + (Math.log1p(atMs) / Math.log1p(lastMs)) * (WIDTH - 2 * LEFT);
  return (
    <>
      <svg className="schedule" viewBox={`0 0 ${WIDTH} 60`} role="img" aria-label={`${times.length} retries`}>
        <line x1={LEFT} x2={WIDTH - LEFT} y1="24" y2="24" />
        <circle cx={LEFT} cy="24" r="6" className="first" />
        {times.map((atMs) => (
          <circle key={atMs} cx={x(atMs)} cy="24" r="4.5" />
        ))}
        <text x={LEFT - 6} y="50">
          first attempt
        </text>
        <text x={WIDTH - LEFT} y="50" textAnchor="end">
          {times.length === 0 ? 'no retry' : `last retry after ${formatDuration(lastMs)}`}
        </text>
      </svg>
      <p className="help">
        {times.length} retries, after {times.slice(0, 6).map(formatDuration).join(', ')}
        {times.length > 6 ? ', …' : ''}; then the callback URL is unresponsive. Time runs on a logarithmic scale.
      </p>
      <dl className="pairs">
        {NAMES.map((name) => (
          <div key={name} className="pair">
            <dt>
              <code>retry.{name}</code>
            </dt>
            <dd>
              {name === 'retriesMax' ? policy[name] : formatDuration(policy[name])}
              {own[name] === undefined ? ' (of the service)' : ' (its own)'}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}
