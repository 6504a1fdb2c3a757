import type { Check } from '../model.ts';
import { ACCESS_CHECKS } from './checks/access.ts';
import { CALLBACK_URL_CHECKS } from './checks/callback-urls.ts';
import { ERROR_CHECKS } from './checks/errors.ts';
import { EVENT_SUBSCRIPTION_CHECKS } from './checks/event-subscriptions.ts';
import { EVENT_TOKEN_CHECKS } from './checks/event-tokens.ts';
import { EVENT_TYPE_FILTER_CHECKS } from './checks/event-type-filter.ts';
import { HTTP_CHECKS } from './checks/http.ts';
import { ISOLATION_CHECKS } from './checks/isolation.ts';
import { LONG_POLL_CHECKS } from './checks/long-polls.ts';
import { POLLING_CHECKS } from './checks/polling.ts';
import { REAL_TIME_CHECKS } from './checks/real-time.ts';
import { REQUEST_SIGNATURE_CHECKS } from './checks/request-signatures.ts';
import { RESPONSE_SIGNATURE_CHECKS } from './checks/response-signatures.ts';
import { RETRY_CHECKS } from './checks/retries.ts';
import { VERSION_CHECKS } from './checks/versions.ts';
import type { AspspContext } from './context.ts';
import { EXPLANATIONS } from './explanations.ts';

const CHECKS: readonly Check<AspspContext>[] = [
  ...ACCESS_CHECKS,
  ...HTTP_CHECKS,
  ...EVENT_SUBSCRIPTION_CHECKS,
  ...CALLBACK_URL_CHECKS,
  ...VERSION_CHECKS,
  ...ERROR_CHECKS,
  ...REQUEST_SIGNATURE_CHECKS,
  ...RESPONSE_SIGNATURE_CHECKS,
  ...ISOLATION_CHECKS,
  ...EVENT_TOKEN_CHECKS,
  ...POLLING_CHECKS,
  ...EVENT_TYPE_FILTER_CHECKS,
  ...LONG_POLL_CHECKS,
  ...REAL_TIME_CHECKS,
  ...RETRY_CHECKS,
];

/** The checks of a bank, in the order in which they run. */
export const ASPSP_CHECKS: readonly Check<AspspContext>[] = CHECKS.map((check) => {
  return { ...check, ...EXPLANATIONS[check.id] };
});
