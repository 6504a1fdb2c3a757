/** The fictitious participants of the sandbox, with the content of their certificates. */

import type { PspRole } from './qc-statements.ts';

/** Content of a participant's certificates. */
export interface Identity {
  /** Organisation id in the Directory, 18 characters. */
  readonly organisationId: string;
  readonly legalName: string;
  /** CN of the transport certificate: the DNS name of a server, or the organisation id. */
  readonly transportCommonName: string;
  readonly roles: readonly PspRole[];
}

export const ROOT_COMMON_NAME = 'Tidings Sandbox Root CA';
export const ROOT_ORGANISATION = 'Tidings Sandbox';

/** The TPP's software statement id in the Directory, 22 characters of base 62. */
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
 * The organisationIdentifier as in the Directory's OBWAC and OBSeal certificates, in the form of ETSI TS 119 495
 * section 5.2.1.
 */
export function organisationIdentifier(identity: Identity): string {
  return `PSDGB-OB-Unknown${identity.organisationId}`;
}
