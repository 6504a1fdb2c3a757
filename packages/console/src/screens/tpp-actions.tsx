import type { ReactElement } from 'react';
import { api, dataOf, type Schemas } from '../api/client.ts';
import { countOf } from '../api/health.ts';
import { useMay } from '../session/session.ts';
import { Action } from '../ui/action-dialog.tsx';
import { shellQuoted } from '../ui/copy.tsx';
import { Redeliver } from './bulk-actions.tsx';

type Tpp = Schemas['RegisteredTpp'];

/** Everything that an operator may do to a TPP; a viewer sees none of it. */
export function TppActions({ tpp }: { readonly tpp: Tpp }): ReactElement | null {
  if (!useMay('operator')) return null;
  const { clientId, isSuspended, target } = tpp;
  return (
    <>
      {target?.state === 'unresponsive' && <Recover clientId={clientId} />}
      <Redeliver chosen={{ clientId, only: 'failed' }} label="Redeliver what failed" />
      {isSuspended ? <Resume clientId={clientId} /> : <Suspend clientId={clientId} />}
    </>
  );
}

async function recover(clientId: string, how: 'responsive' | 'probe-now'): Promise<Tpp> {
  const params = { path: { clientId } };
  return dataOf(api.POST('/operator/v1/tpps/{clientId}/callback-url/recover', { params, body: { how } }));
}

function Recover({ clientId }: { readonly clientId: string }): ReactElement {
  const command = `tidings tpps recover ${shellQuoted(clientId)}`;
  return (
    <>
      <Action
        label="Probe now"
        icon="health"
        title={`Probe the callback URL of ${clientId}?`}
        command={`${command} --probe`}
        preview={() => awaitingOf(clientId)}
        act={async () => {
          await recover(clientId, 'probe-now');
          return 'A notification is being tried; its outcome shows in the list of attempts.';
        }}
      >
        <p>
          One notification is tried at once. If it is acknowledged the callback URL has recovered; if not, nothing
          changes.
        </p>
      </Action>
      <Action
        label="Mark as recovered"
        icon="ok"
        title={`Mark the callback URL of ${clientId} as recovered?`}
        command={command}
        preview={() => awaitingOf(clientId)}
        act={async () => {
          await recover(clientId, 'responsive');
          return 'It is taken as recovered; what is awaiting is pushed at a rate that ramps up.';
        }}
      >
        <p>This takes the TPP's word for it. Everything that is awaiting is pushed, slowly at first.</p>
      </Action>
    </>
  );
}

async function awaitingOf(clientId: string): Promise<string> {
  const params = { path: { clientId } };
  const { awaiting, isAtLeast } = await dataOf(api.GET('/operator/v1/tpps/{clientId}', { params }));
  return `${isAtLeast ? 'At least ' : ''}${countOf(awaiting, 'notification is', 'notifications are')} awaiting.`;
}

function Suspend({ clientId }: { readonly clientId: string }): ReactElement {
  return (
    <Action
      label="Suspend"
      icon="pause"
      isDangerous
      title={`Suspend ${clientId}?`}
      command={`tidings tpps suspend ${shellQuoted(clientId)}`}
      preview={() => awaitingOf(clientId)}
      act={async () => {
        await dataOf(api.POST('/operator/v1/tpps/{clientId}/suspend', { params: { path: { clientId } } }));
        return `${clientId} is suspended.`;
      }}
    >
      <p>
        Its calls are answered 403 and nothing is delivered to it. Its events are kept, and delivered once it is
        resumed.
      </p>
    </Action>
  );
}

function Resume({ clientId }: { readonly clientId: string }): ReactElement {
  return (
    <Action
      label="Resume"
      icon="play"
      title={`Resume ${clientId}?`}
      command={`tidings tpps resume ${shellQuoted(clientId)}`}
      preview={() => awaitingOf(clientId)}
      act={async () => {
        await dataOf(api.POST('/operator/v1/tpps/{clientId}/resume', { params: { path: { clientId } } }));
        return `${clientId} is resumed.`;
      }}
    >
      <p>Its calls are let in again, and what is awaiting is due at once.</p>
    </Action>
  );
}
