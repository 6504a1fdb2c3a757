import type { ShownTarget } from '../operator/delivery-state.ts';
import { timeCell, timeFact } from './output.ts';
import type { Column } from './table.ts';

/** A callback URL with its backlog, as the operator API shows it in lists. */
export interface ListedCallbackUrl extends ShownTarget {
  readonly clientId: string;
  readonly awaiting: number;
  readonly isAtLeast: boolean;
  readonly oldestAwaitingAt?: string;
}

/** Facts about the state of a callback URL. */
export function callbackUrlFacts(target: ShownTarget): Record<string, string | undefined> {
  const { failures, failedProbes, lastFailure } = target;
  return {
    'callback URL state': target.state,
    'failing since': timeFact(target.failingSince),
    'consecutive failures': failures === 0 ? undefined : String(failures),
    'last failure': lastFailure && `${describeFailure(lastFailure)}, ${timeFact(lastFailure.at)}`,
    'last acknowledgement': timeFact(target.lastAcknowledgedAt),
    'unresponsive since': timeFact(target.unresponsiveSince),
    'failed probes': failedProbes?.toString(),
    'next probe': timeFact(target.nextProbeAt),
    'recovered at': timeFact(target.recoveredAt),
  };
}

/** Describes why an attempt failed, with the error that the TPP named (RFC 8935), where it named one. */
export function describeFailure(failure: NonNullable<ShownTarget['lastFailure']>): string {
  const { status, code, err, description } = failure;
  if (status === undefined) return code === undefined ? failure.class : `${failure.class} (${code})`;
  const named = [err, description].filter((each) => each !== undefined).join(': ');
  return named === '' ? String(status) : `${status} ${named}`;
}

/** Formats a backlog. */
export function formatAwaiting({ awaiting, isAtLeast }: Pick<ListedCallbackUrl, 'awaiting' | 'isAtLeast'>): string {
  return isAtLeast ? `over ${awaiting}` : String(awaiting);
}

/** Columns of callback URLs that are failing or unresponsive. */
export const ATTENTION_COLUMNS: readonly Column<ListedCallbackUrl>[] = [
  { head: 'CLIENT ID', cell: ({ clientId }) => clientId, charsMin: 18 },
  { head: 'STATE', cell: ({ state }) => state },
  { head: 'AWAITING', cell: formatAwaiting },
  { head: 'SINCE', cell: (each, nowMs) => timeCell(each.failingSince ?? each.unresponsiveSince, nowMs), rank: 1 },
  {
    head: 'LAST FAILURE',
    cell: ({ lastFailure }) => lastFailure && describeFailure(lastFailure),
    rank: 2,
    charsMin: 12,
  },
  { head: 'FAILURES', cell: ({ failures }) => String(failures), rank: 4 },
  { head: 'NEXT PROBE', cell: ({ nextProbeAt }, nowMs) => timeCell(nextProbeAt, nowMs), rank: 5 },
  { head: 'OLDEST', cell: ({ oldestAwaitingAt }, nowMs) => timeCell(oldestAwaitingAt, nowMs), rank: 3 },
];

/** The command to type next about a callback URL that needs attention. */
export function nextCommandOf({ clientId, state }: Pick<ListedCallbackUrl, 'clientId' | 'state'>): string {
  const id = quotedId(clientId);
  return state === 'unresponsive' ? `tidings tpps recover ${id} --probe` : `tidings registrations show ${id}`;
}

/** A client_id as a shell takes it: it may have any printable ASCII character. */
export function quotedId(clientId: string): string {
  return /^[\w.@:/-]+$/.test(clientId) ? clientId : `'${clientId.replaceAll("'", "'\\''")}'`;
}
