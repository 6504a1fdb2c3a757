/** Correlation id of one HTTP exchange, a UUID (FAPI; rules, section 7). Lower case, like header names in Node.js. */
export const INTERACTION_ID_HEADER = 'x-fapi-interaction-id';

/** Id of the ASPSP, sent with event notifications if the ASPSP has one. */
export const FINANCIAL_ID_HEADER = 'x-fapi-financial-id';

/** Detached JWS of the body (rules, section 5). */
export const SIGNATURE_HEADER = 'x-jws-signature';

/**
 * Media type of an event notification in the standard, which departs from the `secevent+jwt` of RFC 8417 section 2.3.
 */
export const SET_MEDIA_TYPE = 'application/jwt';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is an RFC 4122 UUID of any version. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

/** The caller's interaction id if it is a single UUID, else a fresh one. A repeated header is passed as an array. */
export function interactionIdOf(
  header: string | readonly string[] | undefined | null,
  freshUuid: () => string,
): string {
  return typeof header === 'string' && isUuid(header) ? header : freshUuid();
}
