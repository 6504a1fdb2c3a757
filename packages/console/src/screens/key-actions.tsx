import type { ReactElement } from 'react';
import { api, dataOf, type Schemas } from '../api/client.ts';
import { countOf } from '../api/health.ts';
import { useMay } from '../session/session.ts';
import { Action } from '../ui/action-dialog.tsx';
import { shellQuoted } from '../ui/copy.tsx';
import { formatRelative, useNowMs } from '../ui/time.tsx';

type Key = Schemas['ShownSigningKey'];

/** Reads the keys of the configuration again, and announces the next one. */
export function ReloadKeys(): ReactElement | null {
  if (!useMay('administrator')) return null;
  return (
    <Action
      label="Announce the next key"
      icon="poll"
      title="Read the keys of the configuration again?"
      command="tidings keys announce"
      act={async () => {
        const { kid, changed, announced } = await dataOf(api.POST('/operator/v1/signing-keys/reload'));
        const next = announced === undefined ? 'No next key is configured.' : `${announced} is announced.`;
        return `${changed ? `${kid} signs from now on.` : `${kid} signs, as before.`} ${next}`;
      }}
    >
      <p>
        The instance that answers reads <code>signing</code> and <code>signing.next</code> again. The next key is in the
        JWKS from then on. When a key is not good, nothing changes.
      </p>
    </Action>
  );
}

/** The actions on a key; one that is unsafe now says why. */
export function KeyActions({
  signingKey: key,
  holds,
}: {
  readonly signingKey: Key;
  readonly holds: readonly string[];
}): ReactElement | null {
  const nowMs = useNowMs();
  if (!useMay('administrator') || key.state === 'current' || key.state === 'withdrawn') return null;
  return (
    <div className="buttons">
      <Rotate signingKey={key} because={whyNotRotate(key, holds, nowMs)} />
      {key.state === 'former' && <Retire signingKey={key} because={whyNotRetire(key)} />}
    </div>
  );
}

function whyNotRotate({ kid, rotatableFrom, state }: Key, holds: readonly string[], nowMs: number): string | undefined {
  if (!holds.includes(kid)) return 'The instance that answers lacks the private key';
  if (state !== 'next' || rotatableFrom === undefined || Date.parse(rotatableFrom) <= nowMs) return undefined;
  return `It may sign ${formatRelative(Date.parse(rotatableFrom), nowMs)}: TPPs must have had time to fetch it`;
}

function whyNotRetire({ dependents: { awaiting } }: Key): string | undefined {
  if (awaiting === 0) return undefined;
  return `${countOf(awaiting, 'awaiting notification has', 'awaiting notifications have')} a SET of it, which no TPP could verify`;
}

function Rotate({
  signingKey: { kid },
  because,
}: {
  readonly signingKey: Key;
  readonly because: string | undefined;
}): ReactElement {
  return (
    <Action
      label="Rotate to this key"
      icon="keys"
      title={`Sign with ${kid} from now on?`}
      command={`tidings keys rotate ${shellQuoted(kid)}`}
      disabledBecause={because}
      act={async () => {
        await dataOf(api.POST('/operator/v1/signing-keys/{kid}/rotate', { params: { path: { kid } }, body: {} }));
        return `${kid} signs from now on, at every instance that has it.`;
      }}
    >
      <p>The key before stays in the JWKS, so that what it signed can be verified.</p>
      {because !== undefined && <p>{because}.</p>}
    </Action>
  );
}

function Retire({
  signingKey: { kid },
  because,
}: {
  readonly signingKey: Key;
  readonly because: string | undefined;
}): ReactElement {
  return (
    <Action
      label="Retire"
      isDangerous
      title={`Take ${kid} out of the JWKS for good?`}
      command={`tidings keys retire ${shellQuoted(kid)}`}
      disabledBecause={because}
      act={async () => {
        await dataOf(api.POST('/operator/v1/signing-keys/{kid}/retire', { params: { path: { kid } }, body: {} }));
        return `${kid} is retired.`;
      }}
    >
      <p>
        Nothing is ever signed with it again, and TPPs can verify nothing that it signed. Evidence can still be
        exported.
      </p>
    </Action>
  );
}
