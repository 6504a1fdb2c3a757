import type { ReactElement } from 'react';
import { api, dataOf, type Schemas } from '../api/client.ts';
import { countOf } from '../api/health.ts';
import { useMay } from '../session/session.ts';
import { Action } from '../ui/action-dialog.tsx';
import { shellQuoted } from '../ui/copy.tsx';
import { formatUtc } from '../ui/time.tsx';

/** Which notifications are meant. */
type Chosen = { readonly jtis: string[] } | { readonly clientId: string; readonly only?: 'failed' | 'awaiting' };

const TURNS_MAX = 1000;

/** Goes through all parts of a redelivery or withdrawal, which is answered a few seconds at a time. */
async function allParts<T extends { readonly count: number; readonly next?: string }>(
  part: (after: string | undefined) => Promise<T>,
): Promise<{ readonly count: number; readonly last: T }> {
  let last = await part(undefined);
  let count = last.count;
  for (let turns = 0; last.next !== undefined && turns < TURNS_MAX; turns += 1) {
    last = await part(last.next);
    count += last.count;
  }
  return { count, last };
}

const notifications = (count: number) => countOf(count, 'notification', 'notifications');

function redeliver(chosen: Chosen, isDryRun: boolean): Promise<{ count: number; last: Schemas['RedeliveryAnswer'] }> {
  return allParts((after) =>
    dataOf(
      api.POST('/operator/v1/redeliveries', { body: { ...chosen, isDryRun, ...(after !== undefined && { after }) } }),
    ),
  );
}

function withdraw(chosen: Chosen, isDryRun: boolean): Promise<{ count: number }> {
  const { only, ...others } = 'jtis' in chosen ? { ...chosen, only: undefined } : chosen;
  const body = { ...others, isDryRun, ...(only === 'failed' && { only }) };
  return allParts((after) =>
    dataOf(api.POST('/operator/v1/withdrawals', { body: { ...body, ...(after !== undefined && { after }) } })),
  );
}

function argumentsOf(chosen: Chosen): string {
  if ('jtis' in chosen) return chosen.jtis.map(shellQuoted).join(' ');
  return `--client ${shellQuoted(chosen.clientId)}${chosen.only === undefined ? '' : ` --only ${chosen.only}`}`;
}

interface BulkProps {
  readonly chosen: Chosen;
  readonly label?: string;
  readonly disabledBecause?: string | undefined;
}

/** Sends notifications again; shows how many before it asks. */
export function Redeliver({ chosen, label = 'Redeliver', disabledBecause }: BulkProps): ReactElement | null {
  if (!useMay('operator')) return null;
  return (
    <Action
      label={label}
      icon="poll"
      title="Redeliver notifications?"
      command={`tidings redeliver ${argumentsOf(chosen)}`}
      disabledBecause={disabledBecause}
      preview={async () => `${notifications((await redeliver(chosen, true)).count)} would be sent again.`}
      act={async () => {
        const { count, last } = await redeliver(chosen, false);
        const due = last.lastDueAt === undefined ? '' : `; the last is due at ${formatUtc(last.lastDueAt)}`;
        return `${notifications(count)} scheduled for redelivery${due}.`;
      }}
    >
      <p>
        They keep their jti and their SET, so that a TPP can tell that it has them. The retry policy begins again for
        each. Nothing is pushed to a callback URL that is unresponsive, or a TPP that is suspended, before that ends.
      </p>
    </Action>
  );
}

/** Withdraws notifications that are awaiting, for good; shows how many before it asks. */
export function Withdraw({ chosen, label = 'Withdraw', disabledBecause }: BulkProps): ReactElement | null {
  if (!useMay('operator')) return null;
  return (
    <Action
      label={label}
      icon="bad"
      isDangerous
      title="Withdraw notifications for good?"
      command={`tidings withdraw ${argumentsOf(chosen)}`}
      disabledBecause={disabledBecause}
      preview={async () => `${notifications((await withdraw(chosen, true)).count)} would be withdrawn.`}
      act={async () => `${notifications((await withdraw(chosen, false)).count)} withdrawn.`}
    >
      <p>
        They are neither pushed nor offered in polls any more, and can never be sent again. What is being sent at this
        moment is left alone.
      </p>
    </Action>
  );
}
