import { Type } from 'typebox';
import { file, port, section, whole } from './settings.ts';

/** What a caller of the operator API may be; see docs/operator-api.md. */
export const OPERATOR_ROLES = ['viewer', 'operator', 'administrator', 'publisher'] as const;
export type OperatorRole = (typeof OPERATOR_ROLES)[number];

/** The section `operator` of the configuration: the operator listener, and who may do what there. */
export const OPERATOR_SECTION = section({
  host: Type.String({ default: '127.0.0.1', description: 'Address of the operator listener' }),
  port: port(8444),
  tls: Type.Optional(
    section({
      certificateFile: file('Certificate chain in PEM'),
      keyFile: file('Private key of the certificate in PEM'),
    }),
  ),
  tokens: Type.Array(
    section({
      name: Type.String({ minLength: 1, maxLength: 64, description: 'Who uses the token; stands in log and audit' }),
      sha256: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the token, hexadecimal' }),
      // Without a default: whichever it were, somebody's token would do more, or less, than was meant.
      role: Type.Enum([...OPERATOR_ROLES], {
        description: 'What it may do: viewer, operator, administrator or publisher',
      }),
    }),
    { minItems: 1, maxItems: 100, description: 'Bearer tokens that are accepted' },
  ),
  bodyBytesMax: whole(16_777_216, 1024, 104_857_600, 'Largest request body'),
  redeliveredPerSecondMax: whole(500, 1, 1000, 'Most notifications that one redelivery makes due in a second'),
});
