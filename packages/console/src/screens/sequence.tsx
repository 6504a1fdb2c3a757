import type { ReactElement } from 'react';
import type { Schemas } from '../api/client.ts';
import { type Party, type Step, stepsOf } from '../api/steps.ts';
import { Icon, type IconName } from '../ui/icon.tsx';
import { formatDuration, formatUtc, Time } from '../ui/time.tsx';

const NAMES: Readonly<Record<Party, string>> = { bank: 'Bank', tidings: 'Tidings', tpp: 'TPP' };
const ICONS: Readonly<Record<Step['tone'], IconName>> = { plain: 'none', good: 'ok', bad: 'bad', due: 'wait' };

/** The sequence diagram of a notification: three lifelines, and an arrow for each step with its time. */
export function Sequence({
  notification,
  isBrief = false,
}: {
  readonly notification: Schemas['ShownNotification'];
  readonly isBrief?: boolean;
}): ReactElement {
  const steps = stepsOf(notification);
  return (
    <div className={isBrief ? 'sequence brief' : 'sequence'}>
      <div className="lifelines" aria-hidden="true">
        <span className="gutter">UTC</span>
        <div className="heads">
          {(['bank', 'tidings', 'tpp'] as const).map((party) => (
            <span key={party} className={party}>
              {party === 'tpp' ? notification.clientId : NAMES[party]}
            </span>
          ))}
        </div>
      </div>
      <ol>
        {steps.map((step, at) => (
          <StepRow key={step.key} step={step} before={steps[at - 1]?.at} isBrief={isBrief} />
        ))}
      </ol>
    </div>
  );
}

function StepRow({
  step,
  before,
  isBrief,
}: {
  readonly step: Step;
  readonly before: string | undefined;
  readonly isBrief: boolean;
}): ReactElement {
  const { at, from, to, text, detail, tone } = step;
  const sinceMs = at === undefined || before === undefined ? 0 : Date.parse(at) - Date.parse(before);
  return (
    <li className={`step ${tone}`}>
      <span className="gutter">
        {at !== undefined && (
          <time dateTime={at} title={formatUtc(at)}>
            {at.slice(11, 23)}
          </time>
        )}
        {sinceMs > 0 && <span className="since">+{formatDuration(sinceMs)}</span>}
        {tone === 'due' && at !== undefined && <Time at={at} />}
      </span>
      <div className="lanes">
        <span className={`arrow ${from}-${to}`} aria-hidden="true" />
        <div className={`words ${from}-${to}`}>
          <span className="hidden">{from === to ? NAMES[from] : `${NAMES[from]} to ${NAMES[to]}`}: </span>
          <strong>
            {tone !== 'plain' && <Icon name={ICONS[tone]} />}
            {text}
          </strong>
          {detail !== undefined && !isBrief && <span className="detail">{detail}</span>}
        </div>
      </div>
    </li>
  );
}
