import { createHash } from 'node:crypto';
import { importSigningKeys, isJsonObject, isLongerThan, JwksError, sameDistinguishedName } from '@tidings/protocol';
import { type Static, Type } from 'typebox';
import { RETRY_RANGES } from '../config/schema.ts';
import type { RetryOverrides, Tpp } from '../model/tpp.ts';
import { ShownDeliveries } from './delivery-state.ts';
import { fieldProblem } from './request.ts';

const closed = { additionalProperties: false };
const id = (description: string) => Type.String({ minLength: 1, maxLength: 128, description });

/** Overrides the setting of the same name, within its range. */
function override(name: keyof RetryOverrides) {
  return Type.Optional(Type.Integer({ ...RETRY_RANGES[name], description: `Overrides "retry.${name}"` }));
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
    description: 'Overrides of the retry policy for this TPP; other settings are as configured',
  },
);

/** Scopes that a TPP's tokens may be used with (rules, sections 2 and 6). */
export const TPP_SCOPES = ['accounts', 'payments', 'fundsconfirmations', 'eventpolling'] as const;

/** The scope that each role of a software statement (`software_roles`) needs. */
const ROLE_SCOPES: Readonly<Record<string, (typeof TPP_SCOPES)[number]>> = {
  AISP: 'accounts',
  PISP: 'payments',
  CBPII: 'fundsconfirmations',
};

/** The scopes that the roles of a software statement need, and no others. @throws {Problem} 400 if there is none */
export function scopesOfRoles(roles: readonly string[]): readonly string[] {
  const scopes = Object.entries(ROLE_SCOPES).flatMap(([role, scope]) => (roles.includes(role) ? [scope] : []));
  if (scopes.length > 0) return scopes;
  const known = Object.keys(ROLE_SCOPES).join(', ');
  throw fieldProblem('softwareStatement', `has no role that needs a scope (${known}); give "scopes" beside it`);
}

/**
 * The scopes that a TPP keeps when its roles are these: those whose role is gone are taken away, and none is given. Scopes
 * that need no role stay.
 *
 * @param before undefined: all
 * @returns `no-role`: no scope would be left
 */
export function scopesLeft(
  before: readonly string[] | undefined,
  roles: readonly string[],
): readonly string[] | undefined | 'no-role' {
  const known = Object.entries(ROLE_SCOPES);
  const lost: readonly string[] = known.flatMap(([role, scope]) => (roles.includes(role) ? [] : [scope]));
  const kept = (before ?? TPP_SCOPES).filter((scope) => !lost.includes(scope));
  if (lost.length === known.length || kept.length === 0) return 'no-role';
  return before === undefined && kept.length === TPP_SCOPES.length ? undefined : kept;
}

/** TPPs on one page by default. */
export const TPPS_PER_PAGE = 100;
/** Most TPPs on one page. */
export const TPPS_PER_PAGE_MAX = 1000;

const organisationId = id(
  'Its organisation id at the trust anchor: iss of its signatures is {organisation}/{software}',
);
const softwareStatementId = id('Id of its software statement at the trust anchor');
const jwks = Type.Object(
  { keys: Type.Array(Type.Unknown(), { maxItems: 100, description: 'JWKs (RFC 7517), public members only' }) },
  {
    description:
      'Its JWKS, inline, with at least one usable signing key: RSA of 2048 to 8192 bits, use sig, with a kid',
  },
);
const jwksUrl = Type.String({
  format: 'uri',
  pattern: '^https://',
  maxLength: 2048,
  description: 'URL of its JWKS, as in its software statement',
});
const revokedJwksUrl = Type.String({
  format: 'uri',
  pattern: '^https://',
  maxLength: 2048,
  description:
    'URL of its revoked keys, as in its software statement; requires jwksUrl. While it cannot be fetched, keys are not used beyond their maximum age',
});
const certificateSubject = Type.String({
  minLength: 1,
  maxLength: 1024,
  description:
    'Subject of its transport certificate (RFC 4514). Default: any certificate that the access token is bound to',
});
const scopes = Type.Array(Type.Enum([...TPP_SCOPES]), {
  minItems: 1,
  maxItems: TPP_SCOPES.length,
  uniqueItems: true,
  description: 'Scopes that its tokens may use. Default: all',
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

/** A registered TPP, as the operator sees it. */
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
    isSuspended: Type.Boolean({
      description: 'true: its calls are answered 403 and nothing is delivered; its notifications stay awaiting',
    }),
    ...ShownDeliveries,
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
    ...ShownDeliveries,
  },
  closed,
);
export type ListedTpp = Static<typeof ListedTpp>;

/** One page of TPPs, in the order of their client_ids. */
export const TppPage = Type.Object(
  {
    tpps: Type.Array(ListedTpp, { maxItems: TPPS_PER_PAGE_MAX }),
    next: Type.Optional(
      Type.String({ description: 'Cursor of the next page, to be given as "after"; absent on the last page' }),
    ),
  },
  closed,
);
export type TppPage = Static<typeof TppPage>;

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
    scopes: Type.Optional({
      ...scopes,
      description:
        'Scopes that its tokens may use. Default: those of its roles: accounts for AISP, payments for PISP, fundsconfirmations for CBPII',
    }),
  },
  closed,
);

/** Writes what the bank registered of a TPP. The entity tag covers this, and not how deliveries to it go. */
export function writeTpp(tpp: Tpp): Omit<RegisteredTpp, keyof typeof ShownDeliveries> {
  const jwks =
    isJsonObject(tpp.jwks) && Array.isArray(tpp.jwks['keys']) ? { ...tpp.jwks, keys: tpp.jwks['keys'] } : undefined;
  return { ...identityOf(tpp), ...(jwks !== undefined && { jwks }), ...accessOf(tpp) };
}

/** As {@link writeTpp}, for a list. */
export function writeListedTpp(tpp: Tpp): Omit<ListedTpp, keyof typeof ShownDeliveries> {
  const keys = isJsonObject(tpp.jwks) && Array.isArray(tpp.jwks['keys']) ? tpp.jwks['keys'] : undefined;
  const kids = keys?.flatMap((key: unknown) =>
    isJsonObject(key) && typeof key['kid'] === 'string' ? [key['kid']] : [],
  );
  return { ...identityOf(tpp), ...(kids !== undefined && { kids }), ...accessOf(tpp) };
}

/** The entity tag of a TPP (RFC 9110 section 8.8.3). */
export function entityTagOf(tpp: Tpp): string {
  return `"${createHash('sha256')
    .update(JSON.stringify(writeTpp(tpp)))
    .digest('base64url')}"`;
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

/** The bank's description of a TPP. Operations of their own suspend and resume it. */
export type TppFacts = Omit<Tpp, 'isSuspended'>;

/** A software statement assertion to import, with what it does not say. */
export interface StatementFacts {
  readonly softwareStatement: string;
  readonly clientId?: string | undefined;
  readonly certificateSubject?: string | undefined;
  readonly scopes?: readonly string[] | undefined;
}

const CLIENT_ID_CHARS_MAX = 128;
// RFC 6749 appendix A.1.
const CLIENT_ID = /^[\x20-\x7e]+$/;
const JWKS_CHARS_MAX = 262_144;
// RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1.
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];

/** Says what is wrong with a TPP to register more clearly than its schema can. @throws {Problem} 400 that names the field */
export function checkTppToRegister(value: unknown): void {
  checkKeysAreGivenOnce(value);
  checkScopes(value);
}

/**
 * Reads the body of PUT /operator/v1/tpps/{clientId}. An inline JWKS must hold a usable signing key, so that a TPP is
 * not registered whose every signature would be refused, and no private one, which would be kept and shown.
 *
 * @param retrySettings what holds of the retry policy where the TPP has nothing of its own
 * @throws {Problem} 400 that names the field
 */
export async function readTpp(
  clientId: string,
  { jwks, jwksUrl, revokedJwksUrl, retry, ...facts }: TppToRegister,
  retrySettings: RetrySettings | undefined,
): Promise<TppFacts> {
  checkClientId(clientId);
  const overrides = checkRetry(retry, retrySettings);
  checkCertificateSubject(facts.certificateSubject);
  if (jwks !== undefined) await checkKeys(jwks);
  if (jwksUrl !== undefined) checkUrl('jwksUrl', jwksUrl);
  if (revokedJwksUrl !== undefined) checkRevokedUrl(revokedJwksUrl, jwksUrl);
  return {
    ...{ clientId, ...facts, retry: overrides },
    ...(jwks !== undefined && { jwks }),
    ...(jwksUrl !== undefined && { jwksUrl }),
    ...(revokedJwksUrl !== undefined && { revokedJwksUrl }),
  };
}

/** Checks an assertion to import as far as its schema does not. Does not verify it. @throws {Problem} 400 that names the field */
export function checkStatement(statement: StatementFacts): StatementFacts {
  if (statement.clientId !== undefined) checkClientId(statement.clientId);
  checkCertificateSubject(statement.certificateSubject);
  return statement;
}

/** Checks that a text can be a client_id. @throws {Problem} 400 */
export function checkClientId(clientId: string): void {
  if (clientId === '' || clientId.length > CLIENT_ID_CHARS_MAX) {
    throw fieldProblem('clientId', `must have 1 to ${CLIENT_ID_CHARS_MAX} characters`);
  }
  if (!CLIENT_ID.test(clientId)) throw fieldProblem('clientId', 'must be printable ASCII (RFC 6749)');
}

function checkKeysAreGivenOnce(value: unknown): void {
  if (!isJsonObject(value)) return;
  const given = ['jwks', 'jwksUrl'].filter((name) => value[name] !== undefined);
  if (given.length === 0)
    throw fieldProblem('jwks', 'is missing; give the keys inline as jwks, or their URL as jwksUrl');
  if (given.length === 2) throw fieldProblem('jwksUrl', 'stands beside jwks; give one of them');
}

/** The check of scopes that the schema makes as well, in a message that lists them. @throws {Problem} 400 */
export function checkScopes(value: unknown): void {
  const scopes = isJsonObject(value) ? value['scopes'] : undefined;
  if (!Array.isArray(scopes)) return;
  const known: readonly unknown[] = TPP_SCOPES;
  const at = scopes.findIndex((scope) => !known.includes(scope));
  if (at >= 0) throw fieldProblem(`scopes[${at}]`, `must be one of ${TPP_SCOPES.join(', ')}`);
  if (scopes.length === 0)
    throw fieldProblem('scopes', 'is empty, so that every call would be rejected; omit it to allow all');
}

function checkCertificateSubject(subject: string | undefined): void {
  if (subject === undefined || sameDistinguishedName(subject, subject)) return;
  throw fieldProblem('certificateSubject', 'must be a distinguished name as in RFC 4514, such as CN=…,O=…,C=GB');
}

function checkUrl(field: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:') throw fieldProblem(field, 'must be a URL that starts with https://');
  if (url.username !== '' || url.password !== '') throw fieldProblem(field, 'must hold no user name or password');
  if (url.hash !== '') throw fieldProblem(field, 'must have no fragment');
}

function checkRevokedUrl(revokedJwksUrl: string, jwksUrl: string | undefined): void {
  checkUrl('revokedJwksUrl', revokedJwksUrl);
  if (jwksUrl !== undefined) return;
  throw fieldProblem('revokedJwksUrl', 'goes with jwksUrl; take a revoked key out of the inline jwks instead');
}

async function checkKeys(jwks: { readonly keys: readonly unknown[] }): Promise<void> {
  if (isLongerThan(JSON.stringify(jwks), JWKS_CHARS_MAX)) {
    throw fieldProblem(
      'jwks',
      `is longer than ${JWKS_CHARS_MAX} characters; leave out what is no key, or give jwksUrl`,
    );
  }
  for (const [at, key] of jwks.keys.entries()) {
    const secret = isJsonObject(key) ? PRIVATE_MEMBERS.find((member) => Object.hasOwn(key, member)) : undefined;
    if (secret === undefined) continue;
    throw fieldProblem(
      `jwks.keys[${at}].${secret}`,
      'is part of a private key; it was not kept, but consider the key as known and register a new one',
    );
  }
  try {
    const { kids, leftOut } = await importSigningKeys(jwks);
    if (kids.length > 0) return;
    const reasons = leftOut.map(({ kid, reason }) => `${kid === '' ? 'a key' : kid}: ${reason}`).join('; ');
    throw fieldProblem('jwks', `holds no usable signing key (${reasons || 'it is empty'})`);
  } catch (error) {
    if (error instanceof JwksError) throw fieldProblem('jwks', error.message.replace(/\.$/, ''));
    throw error;
  }
}

/** The settings that overrides stand beside. */
type RetrySettings = Required<RetryOverrides>;

/**
 * Checks that overrides make sense together, and beside the settings that hold where they say nothing.
 *
 * @param settings undefined: overrides are only checked against each other
 * @returns undefined where nothing is overridden
 * @throws {Problem} 400 that names the field
 */
function checkRetry(
  retry: RetryOverrides | undefined,
  settings: RetrySettings | undefined,
): RetryOverrides | undefined {
  if (retry === undefined || Object.keys(retry).length === 0) return undefined;
  const delayMs = retry.delayMs ?? settings?.delayMs ?? 0;
  const delayMaxMs = retry.delayMaxMs ?? settings?.delayMaxMs ?? Number.POSITIVE_INFINITY;
  if (delayMaxMs >= delayMs) return retry;
  if (retry.delayMaxMs === undefined) {
    throw fieldProblem('retry.delayMs', `is above "retry.delayMaxMs" of the configuration (${delayMaxMs}); give both`);
  }
  const whose = retry.delayMs === undefined ? '"retry.delayMs" of the configuration' : 'retry.delayMs';
  throw fieldProblem('retry.delayMaxMs', `must not be below ${whose} (${delayMs})`);
}
