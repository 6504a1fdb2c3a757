import { type Static, Type } from 'typebox';
import type { Failure } from '../model/attempt-health.ts';
import { CALLBACK_URL_STATES, callbackUrlStateOf, DELIVERY_STATES, deliveryStateOf } from '../model/callback-url.ts';
import type { Target } from '../model/notification.ts';
import type { Tpp } from '../model/tpp.ts';
import type { Backlog } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import { dateTime, isoTime } from './request.ts';

const closed = { additionalProperties: false };

const optionalTime = (description: string) => Type.Optional(dateTime(description));

/** Why an attempt failed. */
const ShownFailure = Type.Object(
  {
    at: dateTime('When the attempt ended'),
    class: Type.String({
      description: 'refused-… by the class of the status, or unreachable-… by why there was no response',
    }),
    status: Type.Optional(Type.Integer({ description: 'Status of the response of the TPP' })),
    code: Type.Optional(
      Type.String({ description: 'Code of the error where there was no response, such as ECONNREFUSED' }),
    ),
    err: Type.Optional(Type.String({ description: 'Error code in the body of a 400 (RFC 8935), chosen by the TPP' })),
    description: Type.Optional(Type.String({ description: 'Description of that error, chosen by the TPP' })),
  },
  closed,
);

/** The callback URL that the notifications of a TPP are pushed to, and its state. */
export const ShownTarget = Type.Object(
  {
    callbackUrl: Type.String(),
    state: Type.Enum([...CALLBACK_URL_STATES], {
      description:
        'healthy: its last attempt was acknowledged, or none was made. failing: attempts failed since its last acknowledgement. unresponsive: it exceeded a limit of the retry policy, so only probes are sent',
    }),
    failures: Type.Integer({ minimum: 0, description: 'Attempts that failed since its last acknowledgement' }),
    failingSince: optionalTime('When the first of them failed'),
    lastFailure: Type.Optional(ShownFailure),
    lastAcknowledgedAt: optionalTime('When it last acknowledged a notification, to within 10 seconds'),
    unresponsiveSince: optionalTime('When it became unresponsive'),
    failedProbes: Type.Optional(Type.Integer({ minimum: 0, description: 'Probes that failed since then' })),
    nextProbeAt: optionalTime('When the next probe may be sent, if a notification is awaiting'),
    recoveredAt: optionalTime('When it last recovered from being unresponsive'),
  },
  {
    ...closed,
    description:
      'The callback URL that notifications are pushed to. Absent if there is none: no registration, polling only, or suspended. What it says of attempts begins with the last change of the registration',
  },
);
export type ShownTarget = Static<typeof ShownTarget>;

/** Awaiting notifications of a TPP. */
export const ShownBacklog = {
  awaiting: Type.Integer({ minimum: 0, description: 'Awaiting notifications of the TPP' }),
  isAtLeast: Type.Boolean({ description: 'true if counting stopped at this number and there may be more' }),
  oldestAwaitingAt: optionalTime('When the oldest of them was published'),
};

/** The state of the deliveries to a TPP. */
export const ShownDeliveries = {
  state: Type.Enum([...DELIVERY_STATES], {
    description:
      'healthy, failing, unresponsive: state of its callback URL. suspended: an operator suspended it. polling-only: it has no callback URL. no-registration: it registered nothing',
  }),
  ...ShownBacklog,
  target: Type.Optional(ShownTarget),
};
const Deliveries = Type.Object(ShownDeliveries, closed);
export type ShownDeliveries = Static<typeof Deliveries>;

// Counting of awaiting notifications stops here: for one TPP, and for each TPP of a list.
export const COUNTED_MAX = 10_000;
export const COUNTED_IN_LIST_MAX = 1000;

/** Writes the callback URL of a TPP with its state. */
export function writeTarget(target: Target): ShownTarget {
  const { callbackUrl, unresponsiveSinceMs, probes, probeAtMs, recoveredAtMs } = target;
  const { failures, failingSinceMs, lastFailure, acknowledgedAtMs } = target;
  return {
    ...{ callbackUrl, state: callbackUrlStateOf(target), failures },
    ...(failingSinceMs !== undefined && { failingSince: isoTime(failingSinceMs) }),
    ...(lastFailure !== undefined && { lastFailure: writeFailure(lastFailure) }),
    ...(acknowledgedAtMs !== undefined && { lastAcknowledgedAt: isoTime(acknowledgedAtMs) }),
    ...(unresponsiveSinceMs !== undefined && {
      unresponsiveSince: isoTime(unresponsiveSinceMs),
      failedProbes: probes,
    }),
    ...(probeAtMs !== undefined && { nextProbeAt: isoTime(probeAtMs) }),
    ...(recoveredAtMs !== undefined && { recoveredAt: isoTime(recoveredAtMs) }),
  };
}

function writeFailure({ atMs, ...reason }: Failure): NonNullable<ShownTarget['lastFailure']> {
  return { at: isoTime(atMs), ...reason };
}

/** Writes how much is awaiting. @param countMax the number at which counting stopped */
export function writeBacklog({ awaiting, oldestAwaitingAtMs }: Backlog, countMax: number) {
  return {
    ...{ awaiting: Math.min(awaiting, countMax), isAtLeast: awaiting > countMax },
    ...(oldestAwaitingAtMs !== undefined && { oldestAwaitingAt: isoTime(oldestAwaitingAtMs) }),
  };
}

/** Facts to write the state of the deliveries to a TPP from. */
interface DeliveriesToWrite {
  readonly isSuspended: boolean;
  readonly hasRegistration: boolean;
  readonly target: Target | undefined;
  readonly backlog: Backlog;
}

/** Writes the state of the deliveries to a TPP. */
export function writeDeliveries({ backlog, ...facts }: DeliveriesToWrite, countMax: number): ShownDeliveries {
  const { target } = facts;
  return {
    state: deliveryStateOf(facts),
    ...writeBacklog(backlog, countMax),
    ...(target !== undefined && { target: writeTarget(target) }),
  };
}

/** A TPP without awaiting notifications. */
export const NO_BACKLOG: Backlog = { awaiting: 0, oldestAwaitingAtMs: undefined, dueAtMs: undefined };

/** Reads the state of the deliveries to one TPP. */
export async function deliveriesOf(
  { clientId, isSuspended = false }: Tpp,
  store: Pick<Store, 'registrationsOf' | 'target' | 'backlogsOf'>,
): Promise<ShownDeliveries> {
  const [registrations, target, backlogs] = await Promise.all([
    store.registrationsOf(clientId),
    store.target(clientId),
    store.backlogsOf([clientId], COUNTED_MAX),
  ]);
  const backlog = backlogs.get(clientId) ?? NO_BACKLOG;
  return writeDeliveries({ isSuspended, hasRegistration: registrations.length > 0, target, backlog }, COUNTED_MAX);
}
