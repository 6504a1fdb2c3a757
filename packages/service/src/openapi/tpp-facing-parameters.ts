import { INTERACTION_ID_HEADER, SIGNATURE_HEADER } from '@tidings/protocol';
import type { Parameter, Reference } from './model.ts';
import { parameterRef } from './schemas.ts';

const idInPath = (name: string): Parameter => ({
  ...{ name, in: 'path', required: true },
  description: 'As it was given when it was created',
  schema: { type: 'string', minLength: 1, maxLength: 40 },
});

const ignoredHeader = (name: string): Parameter => ({
  ...{ name, in: 'header' },
  description: 'Accepted and not used',
  schema: { type: 'string' },
});

/** Parameters of the TPP-facing operations, by name. */
export const PARAMETERS: Readonly<Record<string, Parameter>> = {
  EventSubscriptionId: idInPath('EventSubscriptionId'),
  CallbackUrlId: idInPath('CallbackUrlId'),
  [INTERACTION_ID_HEADER]: {
    ...{ name: INTERACTION_ID_HEADER, in: 'header' },
    description: 'A UUID (RFC 4122) of this exchange; it is given back. Anything else is replaced',
    schema: { type: 'string' },
  },
  [SIGNATURE_HEADER]: {
    ...{ name: SIGNATURE_HEADER, in: 'header', required: true },
    description: 'Detached JWS over the exact bytes of the body, PS256',
    schema: { type: 'string' },
  },
  'x-fapi-auth-date': ignoredHeader('x-fapi-auth-date'),
  'x-fapi-customer-ip-address': ignoredHeader('x-fapi-customer-ip-address'),
  'x-customer-user-agent': ignoredHeader('x-customer-user-agent'),
};

/** Parameters of an operation, besides its body. */
export function parametersOf(options: { idName?: string; isSigned: boolean }): readonly Reference[] {
  return [
    ...(options.idName === undefined ? [] : [parameterRef(options.idName)]),
    parameterRef('x-fapi-auth-date'),
    parameterRef('x-fapi-customer-ip-address'),
    parameterRef(INTERACTION_ID_HEADER),
    ...(options.isSigned ? [parameterRef(SIGNATURE_HEADER)] : []),
    parameterRef('x-customer-user-agent'),
  ];
}
