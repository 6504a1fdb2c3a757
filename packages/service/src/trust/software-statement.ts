import { isLongerThan } from '@tidings/protocol';
import type { JWTPayload } from 'jose';
import type { Clock } from '../base/clock.ts';
import { isHttpsUrl } from '../net/https-client.ts';
import { type JwtKeys, StrictJwtError, type StrictJwtErrorCode, verifyStrictJwt } from './strict-jwt.ts';

/** A statement of the directory about one piece of software of a TPP. All URLs are those of the statement; none is constructed. */
export interface SoftwareStatement {
  /** `org_id`. */
  readonly organisationId: string;
  /** `software_id`, else `software_client_id`. */
  readonly softwareStatementId: string;
  /** `software_client_name`. */
  readonly clientName: string | undefined;
  /** `software_roles`, such as `AISP`. */
  readonly roles: readonly string[];
  /** `software_jwks_endpoint`. */
  readonly jwksUrl: string;
  /** `software_jwks_revoked_endpoint`. */
  readonly revokedJwksUrl: string | undefined;
  /** `org_jwks_endpoint`. */
  readonly organisationJwksUrl: string | undefined;
  /** `iat`. */
  readonly issuedAtMs: number;
}

/** Verifies software statement assertions; see {@link createSoftwareStatementVerifier}. */
export interface SoftwareStatementVerifier {
  /** @throws {SoftwareStatementError} and the error of the keys when they are unavailable */
  verify(assertion: string): Promise<SoftwareStatement>;
}

/** A software statement assertion was refused. `message` is fit to be shown to whoever sent it. */
export class SoftwareStatementError extends Error {
  override readonly name = 'SoftwareStatementError';
  readonly code: StrictJwtErrorCode;
  /** The claim or header member that was refused, where it is one. */
  readonly claim: string | undefined;

  constructor(code: StrictJwtErrorCode, message: string, claim?: string) {
    super(message);
    this.code = code;
    this.claim = claim;
  }
}

/** The directory itself says, in a statement that is otherwise good, that an organisation may no longer act. */
export class InactiveOrganisationError extends SoftwareStatementError {
  readonly about: Pick<SoftwareStatement, 'organisationId' | 'softwareStatementId'>;

  constructor(about: InactiveOrganisationError['about']) {
    super('claim-invalid', 'org_status must be Active.', 'org_status');
    this.about = about;
  }
}

export interface SoftwareStatementVerifierOptions {
  /** `iss` of the directory, such as `OpenBanking Ltd`. */
  readonly issuer: string;
  /** The directory's. */
  readonly keys: JwtKeys;
  readonly clockSkewSeconds: number;
  readonly clock: Pick<Clock, 'nowMs'>;
  /** Default: {@link ASSERTION_AGE_MAX_SECONDS}. */
  readonly ageMaxSeconds?: number;
}

/**
 * One day. A statement describes the state when it was issued. Dynamic client registration uses it within minutes, but an
 * operator who registers a TPP may receive it hours later.
 */
export const ASSERTION_AGE_MAX_SECONDS = 86_400;
const ASSERTION_CHARS_MAX = 65_536;

/**
 * Makes a verifier of software statement assertions: JWTs of the directory (PS256, `kid` in its JWKS, `iss`, an `iat`
 * not in the future and not too old), with the claims that registering a TPP needs (rules, section 8). Fetches nothing,
 * none of the endpoints in the statement.
 */
export function createSoftwareStatementVerifier(options: SoftwareStatementVerifierOptions): SoftwareStatementVerifier {
  const { issuer, keys, clockSkewSeconds, clock, ageMaxSeconds = ASSERTION_AGE_MAX_SECONDS } = options;
  return {
    verify: async (assertion) => {
      if (assertion.length > ASSERTION_CHARS_MAX) {
        throw new SoftwareStatementError('malformed', `It may have at most ${ASSERTION_CHARS_MAX} characters.`);
      }
      try {
        const claims = await verifyStrictJwt(assertion, keys, {
          issuer,
          maxTokenAge: ageMaxSeconds,
          clockTolerance: clockSkewSeconds,
          currentDate: new Date(clock.nowMs()),
        });
        return readStatement(claims);
      } catch (error) {
        if (!(error instanceof StrictJwtError)) throw error;
        throw new SoftwareStatementError(error.code, error.message, error.claim);
      }
    },
  };
}

function readStatement(claims: JWTPayload): SoftwareStatement {
  const { software_id: softwareId, iat = 0 } = claims;
  const about = {
    organisationId: readId(claims, 'org_id'),
    softwareStatementId: readId(claims, softwareId === undefined ? 'software_client_id' : 'software_id'),
  };
  // A statement may still be issued, or held, for an organisation that may no longer act.
  const status = claims['org_status'];
  if (status !== undefined && status !== 'Active') throw new InactiveOrganisationError(about);
  return {
    ...about,
    clientName: readName(claims, 'software_client_name'),
    roles: readRoles(claims, 'software_roles'),
    jwksUrl: readUrl(claims, 'software_jwks_endpoint') ?? missing('software_jwks_endpoint'),
    revokedJwksUrl: readUrl(claims, 'software_jwks_revoked_endpoint'),
    organisationJwksUrl: readUrl(claims, 'org_jwks_endpoint'),
    issuedAtMs: Math.floor(iat * 1000),
  };
}

// No slash: signatures hold the two ids as `{org-id}/{software-statement-id}`, which must be separable again.
const ID = /^[\x21-\x2e\x30-\x7e]{1,128}$/;
const NAME_CHARS_MAX = 256;
const URL_CHARS_MAX = 2048;
const ROLES_MAX = 50;

function readId(claims: JWTPayload, claim: string): string {
  const value = claims[claim] ?? missing(claim);
  if (typeof value === 'string' && ID.test(value)) return value;
  throw refusal(claim, 'must be a text of 1 to 128 visible ASCII characters without a slash');
}

function readName(claims: JWTPayload, claim: string): string | undefined {
  const value = claims[claim];
  if (value === undefined || (typeof value === 'string' && !isLongerThan(value, NAME_CHARS_MAX))) return value;
  throw refusal(claim, `must be a text of at most ${NAME_CHARS_MAX} characters`);
}

function readRoles(claims: JWTPayload, claim: string): readonly string[] {
  const value = claims[claim] ?? [];
  const isRole = (role: unknown): role is string => typeof role === 'string' && ID.test(role);
  if (Array.isArray(value) && value.length <= ROLES_MAX && value.every(isRole)) return value;
  throw refusal(claim, 'must be an array of role names');
}

function readUrl(claims: JWTPayload, claim: string): string | undefined {
  const value = claims[claim];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && !isLongerThan(value, URL_CHARS_MAX) && isHttpsUrl(value)) return value;
  throw refusal(claim, `must be an https URL of at most ${URL_CHARS_MAX} characters`);
}

function missing(claim: string): never {
  throw refusal(claim, 'is missing');
}

function refusal(claim: string, why: string): SoftwareStatementError {
  return new SoftwareStatementError('claim-invalid', `${claim} ${why}.`, claim);
}
