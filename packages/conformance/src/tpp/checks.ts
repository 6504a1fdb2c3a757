import type { Check } from '../model.ts';
import { ACKNOWLEDGEMENT_CHECKS } from './checks/acknowledgement.ts';
import { CLAIM_CHECKS } from './checks/claims.ts';
import { ERROR_CHECKS } from './checks/errors.ts';
import { EVENT_CHECKS } from './checks/events.ts';
import { HEADER_CHECKS } from './checks/header.ts';
import { HTTP_CHECKS } from './checks/http.ts';
import { KEY_CHECKS } from './checks/keys.ts';
import { LOAD_CHECKS } from './checks/load.ts';
import { SIGNATURE_CHECKS } from './checks/signature.ts';
import { TLS_CHECKS } from './checks/tls.ts';
import type { TppContext } from './context.ts';

/** Every check of a callback URL, in the order in which they run. */
export const TPP_CHECKS: readonly Check<TppContext>[] = [
  ...TLS_CHECKS,
  ...ACKNOWLEDGEMENT_CHECKS,
  ...EVENT_CHECKS,
  ...SIGNATURE_CHECKS,
  ...HEADER_CHECKS,
  ...CLAIM_CHECKS,
  ...KEY_CHECKS,
  ...ERROR_CHECKS,
  ...HTTP_CHECKS,
  ...LOAD_CHECKS,
];
