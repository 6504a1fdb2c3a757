import { type Static, Type } from 'typebox';
import type { HeldTppKeys } from '../trust/tpp-keys.ts';
import type { OperatorContext } from './options.ts';
import { Problem } from './problem.ts';
import { dateTime, isoTime } from './request.ts';
import { ok, route } from './route.ts';
import { findTpp } from './tpp-registry.ts';

const closed = { additionalProperties: false };

/** The keys of a TPP at one instance. */
export const KeysOfTpp = Type.Object(
  {
    from: Type.Enum(['inline', 'url'], {
      description: 'inline: registered with the TPP. url: fetched from its jwksUrl',
    }),
    keys: Type.Array(
      Type.Object(
        {
          kid: Type.Optional(Type.String({ description: 'Absent: the key has none' })),
          state: Type.Enum(['usable', 'left-out', 'revoked'], {
            description:
              'usable: signatures are verified with it. left-out: it is not used, for the reason given. revoked: the list of revoked keys has it',
          }),
          reason: Type.Optional(Type.String({ description: 'Why it is left out' })),
        },
        closed,
      ),
      { description: 'Keys of the JWKS that is inline or was fetched last; empty if none was fetched' },
    ),
    fetchedAt: Type.Optional(dateTime('When they were fetched last; absent: they are inline, or were never fetched')),
    usableUntil: Type.Optional(
      dateTime('They are not used from then on, unless they are fetched again ("tppKeys.hardMaxAgeMs")'),
    ),
    lastFailure: Type.Optional(
      Type.Object(
        { at: dateTime('When it failed'), reason: Type.String() },
        { ...closed, description: 'The last fetch that failed; it is over if fetchedAt is later' },
      ),
    ),
    instance: Type.Optional(
      Type.Object(
        { id: Type.String(), host: Type.String(), processId: Type.Integer() },
        { ...closed, description: 'The instance that answers. Each one fetches for itself, when it needs a key' },
      ),
    ),
  },
  closed,
);
export type KeysOfTpp = Static<typeof KeysOfTpp>;

/** GET /operator/v1/tpps/{clientId}/keys: what the instance that answers holds of the keys of a TPP. */
export const tppKeysRoute = route({
  operationId: 'getTppKeys',
  method: 'get',
  path: '/operator/v1/tpps/{clientId}/keys',
  role: 'viewer',
  tag: 'TPPs',
  summary: 'Get the keys of a TPP that the instance that answers holds, and when it fetched them',
  description: 'Fetches nothing: keys are fetched when a signature of the TPP is verified.',
  response: ok('The keys', { KeysOfTpp }),
  refusals: [404, 501],
  handler:
    (context) =>
    async ({ params }): Promise<KeysOfTpp> => {
      const { store, tppKeys } = context;
      if (tppKeys === undefined) throw new Problem(501, 'This process holds no keys of TPPs.');
      const held = await tppKeys.heldOf(await findTpp(store, params.clientId));
      return {
        from: held.from,
        ...(held.from === 'inline' ? inline(held) : fetched(held)),
        ...(await answering(context)),
      };
    },
});

type Held<From extends HeldTppKeys['from']> = Extract<HeldTppKeys, { from: From }>;

function inline({ keys }: Held<'inline'>) {
  return { keys: writeKeys(keys) };
}

function fetched({ fetched: last, lastFailure }: Held<'url'>) {
  return {
    keys: last === undefined ? [] : [...writeKeys(last.keys), ...last.revokedKids.map(revoked)],
    ...(last !== undefined && { fetchedAt: isoTime(last.fetchedAtMs), usableUntil: isoTime(last.usableUntilMs) }),
    ...(lastFailure !== undefined && { lastFailure: { at: isoTime(lastFailure.atMs), reason: lastFailure.reason } }),
  };
}

function writeKeys({ kids, leftOut }: Held<'inline'>['keys']): KeysOfTpp['keys'] {
  return [
    ...kids.map((kid) => ({ kid, state: 'usable' as const })),
    ...leftOut.map(({ kid, reason }) => ({ ...(kid !== '' && { kid }), state: 'left-out' as const, reason })),
  ];
}

function revoked(kid: string): KeysOfTpp['keys'][number] {
  return { kid, state: 'revoked' };
}

async function answering({ store, telemetry }: OperatorContext): Promise<Pick<KeysOfTpp, 'instance'>> {
  const own = (await store.instances()).find(({ id }) => id === telemetry?.instance);
  if (own === undefined) return {};
  const { id, host, processId } = own;
  return { instance: { id, host, processId } };
}
