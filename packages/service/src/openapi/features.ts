import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import type { Config } from '../config/schema.ts';

/** Features that the ASPSP offers to TPPs. */
export interface Features {
  readonly versions: readonly ApiVersion[];
  readonly hasRealTime: boolean;
  readonly hasCallbackUrls: boolean;
  readonly hasPolling: boolean;
}

/** The features of a configuration. Event subscriptions are always offered. */
export function featuresOf({ realTime, callbackUrls, polling }: Config): Features {
  return {
    versions: API_VERSIONS,
    hasRealTime: realTime.isOffered,
    // Callback URLs serve real-time notification only.
    hasCallbackUrls: realTime.isOffered && callbackUrls.isOffered,
    hasPolling: polling.isOffered,
  };
}
