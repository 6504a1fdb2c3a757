import { importSigningKeys, JwksError, shapeOf } from '@tidings/protocol';
import { Type } from 'typebox';
import type { Tpp } from '../store/store.ts';
import { fieldProblem, readJson, shapedValue } from './read-body.ts';

const CLIENT_ID_CHARS_MAX = 128;
const id = Type.String({ minLength: 1, maxLength: 128 });

/** A TPP as the bank registers it with this service. */
export const TppToRegister = Type.Object(
  { organisationId: id, softwareStatementId: id, jwks: Type.Object({ keys: Type.Array(Type.Unknown()) }) },
  { additionalProperties: false },
);

const shapeTpp = shapeOf(TppToRegister);

/**
 * Reads the body of PUT /operator/v1/tpps/{clientId}. The JWKS must hold a usable signing key, so that a TPP is not
 * registered whose every signature would be refused.
 *
 * @throws {Problem} 400 that names the field
 */
export async function readTpp(clientId: string, body: unknown): Promise<Tpp> {
  if (clientId === '' || clientId.length > CLIENT_ID_CHARS_MAX) {
    throw fieldProblem('clientId', `must have 1 to ${CLIENT_ID_CHARS_MAX} characters`);
  }
  const { organisationId, softwareStatementId, jwks } = shapedValue(shapeTpp(readJson(body)));
  await checkKeys(jwks);
  return { clientId, organisationId, softwareStatementId, jwks };
}

async function checkKeys(jwks: unknown): Promise<void> {
  try {
    const { kids, leftOut } = await importSigningKeys(jwks);
    if (kids.length > 0) return;
    const reasons = leftOut.map(({ kid, reason }) => `${kid === '' ? 'a key' : kid}: ${reason}`).join('; ');
    throw fieldProblem('jwks', `holds no usable signing key (${reasons || 'it is empty'})`);
  } catch (error) {
    if (error instanceof JwksError) throw fieldProblem('jwks', error.message.replace(/\.$/, ''));
    throw error;
  }
}
