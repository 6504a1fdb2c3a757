/** Who takes part in the sandbox, and what their certificates say of them. All of it is made up. */

import type { PspRole } from './qc-statements.ts';

/** Input of a participant's certificates. */
export interface Identity {
  /** The Directory's identifier of the organisation, 18 characters. */
  readonly organisationId: string;
  readonly legalName: string;
  /** CN of the transport certificate: a server's DNS name, or the organisation's identifier. */
  readonly transportCommonName: string;
  readonly roles: readonly PspRole[];
}

export const ROOT_COMMON_NAME = 'Tidings Sandbox Root CA';
export const ROOT_ORGANISATION = 'Tidings Sandbox';

/** The TPP's piece of software in the Directory, 22 characters of base 62. */
export const TPP_SOFTWARE_STATEMENT_ID = 'TidingsSampleTpp000001';

export const IDENTITIES = {
  bank: {
    organisationId: '0015800001TDGBNKAX',
    legalName: 'Tidings Sandbox Bank plc',
    transportCommonName: 'localhost',
    roles: ['PSP_AS'],
  },
  tpp: {
    organisationId: '0015800001TDGTPPAX',
    legalName: 'Tidings Sample TPP Ltd',
    transportCommonName: '0015800001TDGTPPAX',
    roles: ['PSP_PI', 'PSP_AI', 'PSP_IC'],
  },
} as const satisfies Readonly<Record<string, Identity>>;

/**
 * Names the organisation in the way of the Directory's OBWAC and OBSeal certificates (ETSI TS 119 495 section
 * 5.2.1 gives the form).
 */
export function organisationIdentifier(identity: Identity): string {
  return `PSDGB-OB-Unknown${identity.organisationId}`;
}
