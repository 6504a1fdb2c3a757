import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import type { Config } from '../config/schema.ts';

/** Features that an ASPSP offers to TPPs, as its configuration says. */
export interface Offer {
  readonly versions: readonly ApiVersion[];
  readonly hasRealTime: boolean;
  readonly hasCallbackUrls: boolean;
  readonly hasPolling: boolean;
}

/** Reads off the configuration what is offered: event subscriptions always, the rest as it is switched. */
export function offerOf({ realTime, callbackUrls, polling }: Config): Offer {
  return {
    versions: API_VERSIONS,
    hasRealTime: realTime.isOffered,
    // The resource is about real time only.
    hasCallbackUrls: realTime.isOffered && callbackUrls.isOffered,
    hasPolling: polling.isOffered,
  };
}
