import { type Static, Type } from 'typebox';
import type { NotificationFilter } from '../store/operations.ts';
import type { Store } from '../store/store.ts';
import { deliveriesOf } from './delivery-state.ts';

/** Most TPPs that are said to be held back, and most jtis whose TPPs are looked up for it. */
const HELD_BACK_MAX = 100;

/** The TPPs that get nothing of a redelivery for now. */
export const HeldBack = Type.Array(
  Type.Object(
    { clientId: Type.String(), state: Type.Enum(['unresponsive', 'suspended']) },
    { additionalProperties: false },
  ),
  {
    maxItems: HELD_BACK_MAX,
    description:
      'TPPs among those selected to which nothing is sent for now: an unresponsive callback URL must recover first (POST …/callback-url/recover), a suspended TPP be resumed. Until then their notifications stay awaiting',
  },
);
export type HeldBack = Static<typeof HeldBack>;

/** The TPPs of a filter to which nothing is sent for now. */
export async function heldBackOf({ clientId, jtis = [] }: NotificationFilter, store: Store): Promise<HeldBack> {
  if (clientId === undefined && jtis.length === 0) {
    const troubled = await store.targets('', HELD_BACK_MAX, 'unresponsive');
    return troubled.map((target) => ({ clientId: target.clientId, state: 'unresponsive' }));
  }
  const named = await Promise.all(jtis.slice(0, HELD_BACK_MAX).map((jti) => store.notification(jti)));
  const clientIds = clientId === undefined ? named.map((one) => one?.clientId) : [clientId];
  const held = await Promise.all(
    [...new Set(clientIds)].map(async (each): Promise<HeldBack> => {
      const tpp = each === undefined ? undefined : await store.tpp(each);
      if (tpp === undefined) return [];
      const { state } = await deliveriesOf(tpp, store);
      return state === 'unresponsive' || state === 'suspended' ? [{ clientId: tpp.clientId, state }] : [];
    }),
  );
  return held.flat();
}
