import { Type } from 'typebox';
import { shownSettings } from '../config/effective.ts';
import { Problem } from './problem.ts';
import { ok, route } from './route.ts';

const closed = { additionalProperties: false };

/** Settings of the instance that answers, as they are in effect. */
const Configuration = Type.Object(
  {
    settings: Type.Array(
      Type.Object(
        {
          setting: Type.String({ description: 'Its path, as in retry.delayMs' }),
          value: Type.Unknown({ description: 'Paths of files are absolute; "redacted" for what is not shown' }),
        },
        closed,
      ),
    ),
  },
  closed,
);

/** GET /operator/v1/configuration: the effective settings, defaults included. */
export const configurationRoute = route({
  operationId: 'getConfiguration',
  method: 'get',
  path: '/operator/v1/configuration',
  role: 'viewer',
  tag: 'Upkeep',
  summary: 'The settings of the instance that answers, defaults included; hashes of tokens are redacted',
  response: ok('The settings, as this instance was started with them', { Configuration }),
  refusals: [404],
  handler: ({ config }) => {
    const settings = config && shownSettings(config).map(({ setting, value }) => ({ setting, value }));
    return () => {
      if (settings === undefined) throw new Problem(404, 'There is no configuration here.');
      return { settings };
    };
  },
});
