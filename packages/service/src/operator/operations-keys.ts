import type { Operation, Parameter, PathItem } from '../openapi/model.ts';
import { jsonOf, parameterRef } from '../openapi/schemas.ts';
import { ok, operation } from './operations-common.ts';

/** The signing key that an operation is about. */
export const KID: Parameter = {
  ...{ name: 'kid', in: 'path', required: true },
  description: 'kid of the key',
  schema: { type: 'string', minLength: 1, maxLength: 2048 },
};
const about = { parameters: [parameterRef('kid')] };

/** The operations on our own signing keys. */
export function signingKeyPaths(): Record<string, PathItem> {
  const keys = '/operator/v1/signing-keys';
  const reloaded = { responses: ok('The kid in use', 'ReloadedKey') };
  const listed = { responses: ok('Every key that there is or was', 'SigningKeyList') };
  const shown = { ...about, responses: ok('The key', 'ShownSigningKey') };
  return {
    [keys]: {
      get: operation(
        'listSigningKeys',
        'Signing keys',
        'Our keys: next, current, former and withdrawn, and what still depends on each',
        listed,
        [400, 501],
      ),
    },
    [`${keys}/{kid}`]: { get: operation('getSigningKey', 'Signing keys', 'One key', shown, [404]) },
    [`${keys}/reload`]: {
      post: operation(
        'reloadSigningKeys',
        'Signing keys',
        'Read the keys of the configuration anew, and announce a next one; those before stay in use when one is not good',
        reloaded,
        [409, 501],
      ),
    },
    [`${keys}/{kid}/rotate`]: {
      post: change('rotateSigningKey', 'Sign with this key from now on, on every instance that has it'),
    },
    [`${keys}/{kid}/retire`]: {
      post: change('retireSigningKey', 'Take a key out of the JWKS for good; 409 while something depends on it'),
    },
  };
}

function change(operationId: 'rotateSigningKey' | 'retireSigningKey', summary: string): Operation {
  return operation(
    operationId,
    'Signing keys',
    summary,
    {
      ...about,
      requestBody: { required: false, content: jsonOf('KeyChange', { force: false }) },
      responses: ok('The key', 'ShownSigningKey'),
    },
    [404, 409, 501],
  );
}
