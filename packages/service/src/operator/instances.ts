import { type Static, Type } from 'typebox';
import { GONE_AFTER_MS, type Instance } from '../model/instance.ts';
import { dateTime, isoTime } from './request.ts';
import { ok, route } from './route.ts';

const closed = { additionalProperties: false };

/** The instances of the service. */
export const Instances = Type.Object(
  {
    instances: Type.Array(
      Type.Object(
        {
          id: Type.String({ description: 'Unique for each process' }),
          host: Type.String(),
          processId: Type.Integer(),
          version: Type.String({ description: 'Version of the service' }),
          nodeVersion: Type.String({ description: 'Version of Node.js' }),
          startedAt: dateTime('When it started'),
          seenAt: dateTime('When it last said that it runs; it does so every 10 seconds'),
          state: Type.Enum(['running', 'gone'], {
            description: 'gone: it ended without saying so, or does not reach the store',
          }),
          isThis: Type.Boolean({ description: 'Whether it is the one that answers' }),
        },
        closed,
      ),
      { description: 'The oldest first. One that stopped cleanly is not listed; one that is gone is, for a day' },
    ),
  },
  closed,
);

export type Instances = Static<typeof Instances>;

/** GET /operator/v1/instances: the processes of the service on this store. */
export const instancesRoute = route({
  operationId: 'listInstances',
  method: 'get',
  path: '/operator/v1/instances',
  role: 'viewer',
  tag: 'Upkeep',
  summary: 'List the instances of the service on this store, their versions, and whether they run',
  response: ok('The instances', { Instances }),
  handler:
    ({ store, clock, telemetry }) =>
    async () => {
      const instances = await store.instances();
      const nowMs = clock.nowMs();
      return { instances: instances.map((each) => writeInstance(each, nowMs, telemetry?.instance)) };
    },
});

function writeInstance({ startedAtMs, seenAtMs, ...about }: Instance, nowMs: number, ownId: string | undefined) {
  return {
    ...about,
    startedAt: isoTime(startedAtMs),
    seenAt: isoTime(seenAtMs),
    state: nowMs - seenAtMs > GONE_AFTER_MS ? ('gone' as const) : ('running' as const),
    isThis: about.id === ownId,
  };
}
