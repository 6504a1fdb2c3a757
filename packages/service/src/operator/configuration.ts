import { Type } from 'typebox';
import { SETTING_SOURCES, shownSettings } from '../config/effective.ts';
import { configuredCertificates } from '../trust/certificates.ts';
import { Problem } from './problem.ts';
import { PSP_STATEMENTS, writePsp } from './psp-statements.ts';
import { isoTime } from './request.ts';
import { ok, route } from './route.ts';

const closed = { additionalProperties: false };

/** Settings of the instance that answers, as they are in effect. */
const Configuration = Type.Object(
  {
    settings: Type.Array(
      Type.Object(
        {
          setting: Type.String({ description: 'Its path, as in retry.delayMs' }),
          value: Type.Unknown({
            description:
              'Paths of files are absolute; "redacted" for what is not shown; as it is written, if that has a reference',
          }),
          source: Type.Optional(
            Type.Enum([...SETTING_SOURCES], {
              description:
                'Where it comes from: the configuration file, a reference in it, a variable of the environment, or the default; left out if unknown',
            }),
          ),
          from: Type.Optional(Type.String({ description: 'The variable, or the references' })),
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
  summary: 'The settings of the instance that answers, defaults included; secrets are redacted',
  response: ok('The settings, as this instance was started with them', { Configuration }),
  refusals: [404],
  handler: ({ config }) => {
    const settings = config && shownSettings(config);
    return () => {
      if (settings === undefined) throw new Problem(404, 'There is no configuration here.');
      return { settings: [...settings] };
    };
  },
});

/** Certificates that the configuration names, as their files are now. */
const Certificates = Type.Object(
  {
    certificates: Type.Array(
      Type.Object(
        {
          setting: Type.String({ description: 'The setting that names the file' }),
          subject: Type.String(),
          notAfter: Type.String({ format: 'date-time', description: 'When it expires' }),
          ...PSP_STATEMENTS,
        },
        closed,
      ),
      { description: 'The first to expire first' },
    ),
  },
  closed,
);

/** GET /operator/v1/certificates: when certificates expire. */
export const certificatesRoute = route({
  operationId: 'listCertificates',
  method: 'get',
  path: '/operator/v1/certificates',
  role: 'viewer',
  tag: 'Upkeep',
  summary: 'The certificates that the configuration of this instance names, and when they expire',
  response: ok('The certificates; a file that cannot be read now has none', { Certificates }),
  refusals: [404],
  handler:
    ({ config }) =>
    () => {
      if (config === undefined) throw new Problem(404, 'There is no configuration here.');
      const certificates = configuredCertificates(config).map(({ setting, subject, notAfterMs, psp }) => {
        return { setting, subject, notAfter: isoTime(notAfterMs), ...writePsp(psp) };
      });
      return { certificates: certificates.toSorted((left, right) => left.notAfter.localeCompare(right.notAfter)) };
    },
});
