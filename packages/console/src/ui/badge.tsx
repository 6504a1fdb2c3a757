import type { ReactElement } from 'react';
import { Icon, type IconName } from './icon.tsx';

export type Tone = 'good' | 'warn' | 'bad' | 'info' | 'quiet';

/** A state: always an icon and a word, never a colour alone. */
export function Badge({
  tone,
  icon,
  text,
}: {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly text: string;
}): ReactElement {
  return (
    <span className={`badge ${tone}`}>
      <Icon name={icon} />
      {text}
    </span>
  );
}

type Look = readonly [Tone, IconName, string?];

const LOOKS: Readonly<Record<string, Look>> = {
  // Callback URLs and registrations.
  healthy: ['good', 'ok'],
  failing: ['warn', 'warn'],
  unresponsive: ['bad', 'bad'],
  suspended: ['warn', 'pause'],
  'polling-only': ['info', 'poll', 'polling only'],
  superseded: ['quiet', 'none'],
  'no-registration': ['quiet', 'none', 'not registered'],
  // Instances.
  running: ['good', 'ok'],
  gone: ['bad', 'bad'],
  // Notifications.
  awaiting: ['info', 'wait'],
  acknowledged: ['good', 'ok'],
  withdrawn: ['quiet', 'none'],
  expired: ['warn', 'wait'],
  failed: ['warn', 'warn'],
  // Attempts.
  refused: ['bad', 'bad'],
  unreachable: ['bad', 'bad'],
  // Breakers.
  closed: ['good', 'ok', 'sending'],
  open: ['warn', 'pause', 'paused'],
  trial: ['info', 'wait', 'trying one'],
  // Signing keys.
  current: ['good', 'ok', 'signs'],
  next: ['info', 'wait', 'announced'],
  former: ['quiet', 'none', 'former'],
  // Keys of TPPs.
  usable: ['good', 'ok'],
  'left-out': ['warn', 'none', 'left out'],
  revoked: ['bad', 'bad'],
};

/** A state of the operator API, by its name. */
export function StateBadge({ state }: { readonly state: string }): ReactElement {
  const [tone, icon, text] = LOOKS[state] ?? ['quiet', 'none'];
  return <Badge tone={tone} icon={icon} text={text ?? state} />;
}
