import { createHash } from 'node:crypto';
import { isJsonObject } from '@tidings/protocol';
import type { StoredCallbackUrl, StoredSubscription, Target, Tpp } from '../store/store.ts';
import { isoTime } from './iso-time.ts';
import type { ListedTpp, RegisteredTpp, ShownTarget, TppRegistrations } from './tpp-schemas.ts';

/** Writes a TPP as the operator reads it. @param target where it is pushed to, which is no part of its entity tag */
export function writeTpp(tpp: Tpp, target?: Target): RegisteredTpp {
  const jwks =
    isJsonObject(tpp.jwks) && Array.isArray(tpp.jwks['keys']) ? { ...tpp.jwks, keys: tpp.jwks['keys'] } : undefined;
  return { ...identityOf(tpp), ...(jwks !== undefined && { jwks }), ...accessOf(tpp), ...targetOf(target) };
}

/** Writes a TPP as it stands in a list. */
export function writeListedTpp(tpp: Tpp, target: Target | undefined): ListedTpp {
  const keys = isJsonObject(tpp.jwks) && Array.isArray(tpp.jwks['keys']) ? tpp.jwks['keys'] : undefined;
  const kids = keys?.flatMap((key: unknown) =>
    isJsonObject(key) && typeof key['kid'] === 'string' ? [key['kid']] : [],
  );
  return { ...identityOf(tpp), ...(kids !== undefined && { kids }), ...accessOf(tpp), ...targetOf(target) };
}

/** Tells one state of a TPP from another (RFC 9110 section 8.8.3). */
export function entityTagOf(tpp: Tpp): string {
  return `"${createHash('sha256')
    .update(JSON.stringify(writeTpp(tpp)))
    .digest('base64url')}"`;
}

/** Writes what a TPP registered. */
export function writeRegistrations(
  subscription: StoredSubscription | undefined,
  callbackUrl: StoredCallbackUrl | undefined,
): TppRegistrations {
  return {
    ...(subscription !== undefined && { effective: 'event-subscription' }),
    ...(subscription === undefined && callbackUrl !== undefined && { effective: 'callback-url' }),
    ...(subscription !== undefined && { eventSubscription: writeSubscription(subscription) }),
    ...(callbackUrl !== undefined && { callbackUrl: writeCallbackUrl(callbackUrl) }),
  };
}

function identityOf({ clientId, organisationId, softwareStatementId }: Tpp) {
  return { clientId, organisationId, softwareStatementId };
}

function accessOf({ jwksUrl, revokedJwksUrl, certificateSubject, scopes, retry, isSuspended = false }: Tpp) {
  return {
    ...(jwksUrl !== undefined && { jwksUrl }),
    ...(revokedJwksUrl !== undefined && { revokedJwksUrl }),
    ...(certificateSubject !== undefined && { certificateSubject }),
    ...(scopes !== undefined && { scopes: [...scopes] as RegisteredTpp['scopes'] & {} }),
    ...(retry !== undefined && { retry: { ...retry } }),
    isSuspended,
  };
}

function targetOf(target: Target | undefined): { target?: ShownTarget } {
  return target === undefined ? {} : { target: writeTarget(target) };
}

/** Writes where a TPP is pushed to, and how that fares. */
export function writeTarget(target: Target): ShownTarget {
  const { callbackUrl, unresponsiveSinceMs, probes, probeAtMs, backAtMs } = target;
  const state = unresponsiveSinceMs === undefined ? 'responsive' : 'unresponsive';
  return {
    ...{ callbackUrl, state },
    ...(unresponsiveSinceMs !== undefined && {
      unresponsiveSince: isoTime(unresponsiveSinceMs),
      failedProbes: probes,
    }),
    ...(probeAtMs !== undefined && { nextProbeAt: isoTime(probeAtMs) }),
    ...(backAtMs !== undefined && { backSince: isoTime(backAtMs) }),
  };
}

/** Writes an event subscription. */
export function writeSubscription(
  subscription: StoredSubscription,
): NonNullable<TppRegistrations['eventSubscription']> {
  const { eventSubscriptionId, callbackUrl, version, eventTypes, apiVersion, unresponsiveSinceMs } = subscription;
  return {
    eventSubscriptionId,
    ...(callbackUrl !== undefined && { callbackUrl }),
    version,
    ...(eventTypes !== undefined && { eventTypes: [...eventTypes] }),
    apiVersion,
    ...(unresponsiveSinceMs !== undefined && { unresponsiveSince: isoTime(unresponsiveSinceMs) }),
  };
}

/** Writes a callback URL resource. */
export function writeCallbackUrl(callbackUrl: StoredCallbackUrl): NonNullable<TppRegistrations['callbackUrl']> {
  const { callbackUrlId, url, version, apiVersion, unresponsiveSinceMs } = callbackUrl;
  return {
    ...{ callbackUrlId, url, version, apiVersion },
    ...(unresponsiveSinceMs !== undefined && { unresponsiveSince: isoTime(unresponsiveSinceMs) }),
  };
}
