import { type Static, Type } from 'typebox';
import type { PspStatements } from '../trust/psp-certificate.ts';

/** Statements of a certificate about a payment service provider, in the schema of a certificate. */
export const PSP_STATEMENTS = {
  kind: Type.Optional(
    Type.Enum(['OBWAC', 'OBSeal', 'QWAC', 'QSeal'], {
      description:
        'Kind of certificate of a payment service provider: of the directory, or qualified under eIDAS; absent: another kind',
    }),
  ),
  organisationIdentifier: Type.Optional(
    Type.String({ description: 'organizationIdentifier of its subject, such as PSDGB-FCA-123456' }),
  ),
  pspRoles: Type.Optional(
    Type.Array(Type.String(), { description: 'Roles of the payment service provider: PSP_AS, PSP_PI, PSP_AI, PSP_IC' }),
  ),
  authority: Type.Optional(Type.String({ description: 'The national competent authority, such as GB-FCA' })),
};

/** As {@link PSP_STATEMENTS}. */
export function writePsp(psp: PspStatements | undefined): Static<ReturnType<typeof schema>> {
  if (psp === undefined) return {};
  const { kind, organisationIdentifier, roles, authorityId } = psp;
  return {
    kind,
    ...(organisationIdentifier !== undefined && { organisationIdentifier }),
    pspRoles: [...roles],
    ...(authorityId !== undefined && { authority: authorityId }),
  };
}

const schema = () => Type.Object(PSP_STATEMENTS);
