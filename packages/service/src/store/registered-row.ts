import { API_VERSIONS, type ApiVersion } from '@tidings/protocol';
import type { ChangeResult, Registration, RegistrationKind } from '../model/registration.ts';
import type { Tpp } from '../model/tpp.ts';
import { apiVersionOf, optionalText, parseText, type Row, text } from './row.ts';

// Columns are named: a newer version may have added others.
/** Columns of `tpp`. */
export const TPP_COLUMNS = `client_id, organisation_id, software_statement_id, jwks, jwks_url, revoked_jwks_url,
  certificate_subject, scopes, is_suspended, retry`;
/** Columns of `registration`. */
export const REGISTRATION_COLUMNS = 'client_id, kind, id, api_version, version, callback_url, event_types';
/** The order of the registrations of a TPP: an event subscription supersedes a callback URL. */
export const HOLDING_FIRST = 'kind DESC';

export function tppOf(row: Row): Tpp {
  const jwks = parseText(row, 'jwks');
  const jwksUrl = optionalText(row, 'jwks_url');
  const revokedJwksUrl = optionalText(row, 'revoked_jwks_url');
  const certificateSubject = optionalText(row, 'certificate_subject');
  const scopes = optionalText(row, 'scopes');
  const retry = optionalText(row, 'retry');
  return {
    clientId: text(row, 'client_id'),
    organisationId: text(row, 'organisation_id'),
    softwareStatementId: text(row, 'software_statement_id'),
    ...(jwks !== null && { jwks }),
    ...(jwksUrl !== undefined && { jwksUrl }),
    ...(revokedJwksUrl !== undefined && { revokedJwksUrl }),
    ...(certificateSubject !== undefined && { certificateSubject }),
    ...(scopes !== undefined && { scopes: JSON.parse(scopes) }),
    // SQLite has no booleans.
    ...((row['is_suspended'] === true || row['is_suspended'] === 1) && { isSuspended: true }),
    ...(retry !== undefined && { retry: JSON.parse(retry) }),
  };
}

/**
 * The registrations of one TPP, in the order of their rows.
 *
 * @param unresponsiveSinceMs of the callback URL of the first; of one that is superseded nothing is known
 */
export function registrationsOf(rows: readonly Row[], unresponsiveSinceMs: number | undefined): Registration[] {
  return rows.map((row, at) => {
    const eventTypes = optionalText(row, 'event_types');
    return {
      kind: kindOf(text(row, 'kind')),
      clientId: text(row, 'client_id'),
      id: text(row, 'id'),
      apiVersion: apiVersionOf(text(row, 'api_version')),
      version: text(row, 'version'),
      callbackUrl: optionalText(row, 'callback_url'),
      eventTypes: eventTypes === undefined ? undefined : JSON.parse(eventTypes),
      unresponsiveSinceMs: at === 0 ? unresponsiveSinceMs : undefined,
    };
  });
}

function kindOf(value: string): RegistrationKind {
  return value === 'callback-url' ? value : 'event-subscription';
}

/**
 * Whether a registration may be changed by a TPP through a version of the API: one of v4.0 must not be changed through v3.1;
 * the other way is allowed (rules, section 2).
 *
 * @param row `client_id` and `api_version` of the registration with the id
 */
export function mayChange(row: Row | undefined, clientId: string, through: ApiVersion): ChangeResult {
  if (row === undefined) return 'unknown';
  if (text(row, 'client_id') !== clientId) return 'of-another-tpp';
  const createdThrough = apiVersionOf(text(row, 'api_version'));
  return API_VERSIONS.indexOf(createdThrough) > API_VERSIONS.indexOf(through) ? 'of-newer-version' : 'changed';
}
