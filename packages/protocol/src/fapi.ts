/** Correlation id of one HTTP exchange, a UUID (FAPI; rules, section 7). Node lower-cases header names: so is this. */
export const INTERACTION_ID_HEADER = 'x-fapi-interaction-id';

/** The id of the ASPSP, sent with event notifications where the ASPSP has one. */
export const FINANCIAL_ID_HEADER = 'x-fapi-financial-id';

/** Detached JWS of the body (rules, section 5). */
export const SIGNATURE_HEADER = 'x-jws-signature';

/** Media type of an event notification (RFC 8417 section 2.3 would have `secevent+jwt`; the standard has this). */
export const SET_MEDIA_TYPE = 'application/jwt';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** True for the text form of an RFC 4122 UUID of any version. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The caller's interaction id if it is a UUID, else a fresh one. A header given twice arrives here as an array. */
export function interactionIdOf(
  header: string | readonly string[] | undefined | null,
  freshUuid: () => string,
): string {
  return typeof header === 'string' && isUuid(header) ? header : freshUuid();
}
