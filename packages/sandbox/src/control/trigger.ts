import { ControlError } from '../own-tpps/own-tpps.ts';
import { publishChange } from '../play/publishing.ts';
import { type Change, eventTypesOf, titleOf } from '../resource-server/ledger.ts';
import type { Sandbox } from '../sandbox.ts';

/** Something that shall happen at the bank. */
export interface Trigger {
  readonly kind: Change;
  /** The TPP that it concerns. Default: that of the developer; if there is none, the sample TPP. */
  readonly clientId?: string | undefined;
}

/** The event that happened, and whether the TPP is notified. */
export interface Triggered {
  readonly kind: Change;
  readonly title: string;
  readonly clientId: string;
  readonly eventId: string;
  readonly eventTypes: readonly string[];
  readonly resourceUri: string;
  /** Left out where there is no notification. */
  readonly jti?: string;
  /** Why there is no notification, such as `type-filtered`. */
  readonly reason?: string;
}

/** Whom something at the bank may concern. */
export interface TppsOfTriggers {
  /** TPPs of developers. */
  readonly own: readonly string[];
  /** TPPs of the sandbox; the first is the sample TPP. */
  readonly others: readonly [string, ...string[]];
}

/** Makes something happen at the bank. @throws {ControlError} if it is not clear which TPP it concerns */
export async function trigger(
  sandbox: Pick<Sandbox, 'ledger' | 'bank' | 'addresses'>,
  tpps: TppsOfTriggers,
  wanted: Trigger,
): Promise<Triggered> {
  const { kind } = wanted;
  const clientId = whom(tpps, wanted.clientId);
  const { event, outcome } = await publishChange(sandbox, { change: kind, clientId });
  return {
    ...{ kind, title: titleOf(kind), clientId, eventId: event.id },
    ...{ eventTypes: eventTypesOf(kind), resourceUri: event.resource.uri },
    ...(outcome.jti !== undefined && { jti: outcome.jti }),
    ...(outcome.reason !== undefined && { reason: outcome.reason }),
  };
}

function whom({ own, others }: TppsOfTriggers, clientId: string | undefined): string {
  if (clientId !== undefined) {
    if ([...own, ...others].includes(clientId)) return clientId;
    const known = [...own, others[0]].join(', ');
    throw new ControlError(`The sandbox has no TPP ${clientId}; choose one of ${known} with --tpp.`);
  }
  if (own.length > 1) {
    throw new ControlError(`The sandbox has several TPPs of your own; choose one with --tpp: ${own.join(', ')}.`);
  }
  return own[0] ?? others[0];
}
