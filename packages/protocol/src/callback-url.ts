import { cutText, isLongerThan } from './text.ts';
import type { ApiVersion } from './versions.ts';

const CHARS_MAX = 2048;
const SHOWN_CHARS_MAX = 200;
const WITH_VERSION = /\/v\d+\.\d+(?:\.\d+)?\/event-notifications$/;
const WITHOUT_VERSION = /\/event-notifications$/;

/**
 * Checks a callback URL (rules, section 2): it is `https` and ends in the API version and `/event-notifications`. On
 * v3.1 the version segment may be omitted, as in the early pages of the standard. The URL is called exactly as
 * registered, and nothing is appended to it. A query, a fragment or user information is therefore rejected, because the
 * path would not come last. So is anything that a URL parser would change, such as dot segments, a default port or a
 * host in upper case (WHATWG URL, section 4.4).
 *
 * Does not check the addresses that the host resolves to: delivery does so for every connection.
 *
 * @returns the reason for rejection, to follow the field's name; undefined when the URL is valid
 */
export function checkCallbackUrl(text: string, apiVersion: ApiVersion): string | undefined {
  if (isLongerThan(text, CHARS_MAX)) return `must have at most ${CHARS_MAX} characters`;
  if (!URL.canParse(text) || !/^https?:\/\/[^/]/i.test(text)) return 'must be an absolute URL';
  const url = new URL(text);
  if (url.protocol !== 'https:') return 'must start with https://';
  // Covers empty user information, `https://@tpp.example/`, which the URL parser drops.
  if (/^[^/]*\/\/[^/]*@/.test(text)) return 'must not contain a user name or a password';
  if (/[?#]/.test(text)) return 'must not have a query or a fragment';
  // The URL parser drops some white space, so the URL checked would not be the URL called.
  if (/[^\x21-\x7e]/.test(text) || text.includes('\\')) return 'must be written in printable ASCII without spaces';
  const isEarly = apiVersion === 'v3.1' && WITHOUT_VERSION.test(text);
  if (!isEarly && !WITH_VERSION.test(text)) {
    return apiVersion === 'v3.1'
      ? 'must end with /event-notifications'
      : 'must end with the API version and /event-notifications, as in /v4.0/event-notifications';
  }
  if (url.href === text) return undefined;
  return `must be in normalised form: ${cutText(url.href, SHOWN_CHARS_MAX)}`;
}
