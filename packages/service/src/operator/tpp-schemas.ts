import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { isJsonObject } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { RETRY_RANGES } from '../config/schema.ts';
import type { Target } from '../model/notification.ts';
import type { Registration } from '../model/registration.ts';
import type { RetryOverrides, Tpp } from '../model/tpp.ts';
import { isoTime } from './request.ts';

const closed = { additionalProperties: false };
const id = (description: string) => Type.String({ minLength: 1, maxLength: 128, description });

/** As the setting of the same name, with its range; left out: that setting. */
function override(name: keyof RetryOverrides) {
  return Type.Optional(Type.Integer({ ...RETRY_RANGES[name], description: `In place of "retry.${name}"` }));
}

/** Settings of the retry policy that are one TPP's own. */
const RetryOverridesSchema = Type.Object(
  {
    delayMs: override('delayMs'),
    delayMaxMs: override('delayMaxMs'),
    retriesMax: override('retriesMax'),
    intervalMaxMs: override('intervalMaxMs'),
  },
  {
    additionalProperties: false,
    description: 'What of the retry policy is its own; what is left out is as configured',
  },
);

/** Scopes that a TPP's tokens may be used with (rules, sections 2 and 6). */
export const TPP_SCOPES = ['accounts', 'payments', 'fundsconfirmations', 'eventpolling'] as const;

/** TPPs on one page unless the caller asks for another number. */
export const TPPS_PER_PAGE = 100;
/** Most TPPs on one page. */
export const TPPS_PER_PAGE_MAX = 1000;

const organisationId = id(
  'Its organisation id at the trust anchor: iss of its signatures is {organisation}/{software}',
);
const softwareStatementId = id('Id of its software statement at the trust anchor');
const jwks = Type.Object(
  { keys: Type.Array(Type.Unknown(), { maxItems: 100, description: 'JWKs (RFC 7517), public members only' }) },
  { description: 'Its JWKS, inline. One usable signing key at least: RSA of 2048 to 8192 bits, use sig, a kid' },
);
const jwksUrl = Type.String({
  format: 'uri',
  pattern: '^https://',
  maxLength: 2048,
  description: 'Where its JWKS is published, as its software statement names it',
});
const revokedJwksUrl = Type.String({
  format: 'uri',
  pattern: '^https://',
  maxLength: 2048,
  description:
    'Where those of its keys are listed that were revoked, as its software statement names it; only beside jwksUrl. While it cannot be fetched the keys are not used once they are too old',
});
const certificateSubject = Type.String({
  minLength: 1,
  maxLength: 1024,
  description: "Subject of its transport certificate, RFC 4514. Left out: the access token's binding alone decides",
});
const scopes = Type.Array(Type.Enum([...TPP_SCOPES]), {
  minItems: 1,
  maxItems: TPP_SCOPES.length,
  uniqueItems: true,
  description: 'Scopes that its tokens may be used with. Left out: all',
});
const clientId = Type.String({
  minLength: 1,
  maxLength: 128,
  pattern: '^[\\x20-\\x7e]+$',
  description: 'client_id at the authorisation server of the ASPSP',
});

/** A TPP as the bank registers it with this service; the client_id stands in the path. */
export const TppToRegister = Type.Object(
  {
    organisationId,
    softwareStatementId,
    jwks: Type.Optional(jwks),
    jwksUrl: Type.Optional(jwksUrl),
    revokedJwksUrl: Type.Optional(revokedJwksUrl),
    certificateSubject: Type.Optional(certificateSubject),
    scopes: Type.Optional(scopes),
    retry: Type.Optional(RetryOverridesSchema),
  },
  { ...closed, oneOf: [{ required: ['jwks'] }, { required: ['jwksUrl'] }] },
);
export type TppToRegister = Static<typeof TppToRegister>;

const since = (description: string) => Type.Optional(Type.String({ format: 'date-time', description }));

/** Where the notifications of a TPP are pushed, and how that fares. */
export const ShownTarget = Type.Object(
  {
    callbackUrl: Type.String(),
    state: Type.Enum(['responsive', 'unresponsive'], {
      description: 'unresponsive: past a limit of the retry policy, so that only probes are sent',
    }),
    unresponsiveSince: since('Since when'),
    failedProbes: Type.Optional(Type.Integer({ minimum: 0, description: 'Probes that failed since then' })),
    nextProbeAt: since('When the next one may be sent; it is, if something is awaiting'),
    recoveredAt: since('When it last recovered'),
  },
  { ...closed, description: 'Where it is pushed to. Absent: nowhere (no registration, only polls, suspended)' },
);
export type ShownTarget = Static<typeof ShownTarget>;

/** A TPP as the operator reads it back. */
export const RegisteredTpp = Type.Object(
  {
    clientId,
    organisationId,
    softwareStatementId,
    jwks: Type.Optional(jwks),
    jwksUrl: Type.Optional(jwksUrl),
    revokedJwksUrl: Type.Optional(revokedJwksUrl),
    certificateSubject: Type.Optional(certificateSubject),
    scopes: Type.Optional(scopes),
    retry: Type.Optional(RetryOverridesSchema),
    isSuspended: Type.Boolean({ description: 'Suspended: refused with 403, no deliveries; its events are kept' }),
    target: Type.Optional(ShownTarget),
  },
  closed,
);
export type RegisteredTpp = Static<typeof RegisteredTpp>;

/** A TPP in a list: of an inline JWKS only the kids, so that a page stays small. */
export const ListedTpp = Type.Object(
  {
    clientId,
    organisationId,
    softwareStatementId,
    kids: Type.Optional(Type.Array(Type.String(), { description: 'kids of its inline JWKS' })),
    jwksUrl: Type.Optional(jwksUrl),
    revokedJwksUrl: Type.Optional(revokedJwksUrl),
    certificateSubject: Type.Optional(certificateSubject),
    scopes: Type.Optional(scopes),
    retry: Type.Optional(RetryOverridesSchema),
    isSuspended: Type.Boolean(),
    target: Type.Optional(ShownTarget),
  },
  closed,
);
export type ListedTpp = Static<typeof ListedTpp>;

/** One page of TPPs, in the order of their client_ids. */
export const TppPage = Type.Object(
  {
    tpps: Type.Array(ListedTpp, { maxItems: TPPS_PER_PAGE_MAX }),
    next: Type.Optional(Type.String({ description: 'Give it as "after" for the next page; absent on the last one' })),
  },
  closed,
);
export type TppPage = Static<typeof TppPage>;

/** How an unresponsive callback URL recovers. */
export const Recover = Type.Object(
  {
    how: Type.Enum(['responsive', 'probe-now'], {
      description:
        'responsive: it counts as responsive, and what is awaiting is pushed. probe-now: it is tried with one notification, and is responsive when that is acknowledged',
    }),
  },
  closed,
);

/** A software statement assertion to import, with what it does not say. */
export const StatementToImport = Type.Object(
  {
    softwareStatement: Type.String({
      minLength: 1,
      maxLength: 65_536,
      description: 'The assertion: a JWT that the directory signed',
    }),
    clientId: Type.Optional(clientId),
    certificateSubject: Type.Optional(certificateSubject),
    scopes: Type.Optional(scopes),
  },
  closed,
);

const apiVersion = Type.Enum(['v3.1', 'v4.0'], { description: 'The version of the API it was made through' });
const unresponsiveSince = Type.Optional(
  Type.String({ format: 'date-time', description: 'Since when its callback URL is past a limit of the retry policy' }),
);

/** A registration, as the operator sees it. */
export const TppRegistrations = Type.Object(
  {
    effective: Type.Optional(
      Type.Enum(['event-subscription', 'callback-url'], {
        description: 'Which one holds: an event subscription supersedes a callback URL. Absent: the TPP has neither',
      }),
    ),
    eventSubscription: Type.Optional(
      Type.Object(
        {
          eventSubscriptionId: Type.String(),
          callbackUrl: Type.Optional(Type.String({ description: 'Absent for a TPP that only polls' })),
          version: Type.String({ description: 'Minimum version of the resources it wants events about' }),
          eventTypes: Type.Optional(Type.Array(Type.String(), { description: 'As sent. Absent or empty: all' })),
          apiVersion,
          unresponsiveSince,
        },
        closed,
      ),
    ),
    callbackUrl: Type.Optional(
      Type.Object(
        { callbackUrlId: Type.String(), url: Type.String(), version: Type.String(), apiVersion, unresponsiveSince },
        closed,
      ),
    ),
  },
  closed,
);
export type TppRegistrations = Static<typeof TppRegistrations>;

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

/** Writes what a TPP registered. @param registrations the one that holds is the first */
export function writeRegistrations(registrations: readonly Registration[]): TppRegistrations {
  const written: TppRegistrations = {};
  const [effective] = registrations;
  if (effective !== undefined) written.effective = effective.kind;
  for (const registration of registrations) {
    if (registration.kind === 'event-subscription') written.eventSubscription = writeSubscription(registration);
    else written.callbackUrl = writeCallbackUrl(registration);
  }
  return written;
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
  const { callbackUrl, unresponsiveSinceMs, probes, probeAtMs, recoveredAtMs } = target;
  const state = unresponsiveSinceMs === undefined ? 'responsive' : 'unresponsive';
  return {
    ...{ callbackUrl, state },
    ...(unresponsiveSinceMs !== undefined && {
      unresponsiveSince: isoTime(unresponsiveSinceMs),
      failedProbes: probes,
    }),
    ...(probeAtMs !== undefined && { nextProbeAt: isoTime(probeAtMs) }),
    ...(recoveredAtMs !== undefined && { recoveredAt: isoTime(recoveredAtMs) }),
  };
}

function writeSubscription(registration: Registration): NonNullable<TppRegistrations['eventSubscription']> {
  return { eventSubscriptionId: registration.id, ...writeRegistration(registration) };
}

function writeCallbackUrl(registration: Registration): NonNullable<TppRegistrations['callbackUrl']> {
  const { callbackUrl: url, ...rest } = writeRegistration(registration);
  assert(url !== undefined, 'a callback URL resource has its URL');
  return { callbackUrlId: registration.id, url, ...rest };
}

/** Writes what a TPP asked for in a registration, and how its callback URL fares. */
export function writeRegistration({
  callbackUrl,
  version,
  eventTypes,
  apiVersion,
  unresponsiveSinceMs,
}: Registration): Omit<NonNullable<TppRegistrations['eventSubscription']>, 'eventSubscriptionId'> {
  return {
    ...(callbackUrl !== undefined && { callbackUrl }),
    version,
    ...(eventTypes !== undefined && { eventTypes: [...eventTypes] }),
    apiVersion,
    ...(unresponsiveSinceMs !== undefined && { unresponsiveSince: isoTime(unresponsiveSinceMs) }),
  };
}
