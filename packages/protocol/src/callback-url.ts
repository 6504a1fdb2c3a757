import { cutText, isLongerThan } from './text.ts';
import type { ApiVersion } from './versions.ts';

const CHARS_MAX = 2048;
const SHOWN_CHARS_MAX = 200;
const WITH_VERSION = /\/v\d+\.\d+(?:\.\d+)?\/event-notifications$/;
const WITHOUT_VERSION = /\/event-notifications$/;

/**
 * Checks a callback URL as section 2 of the rules says: `https`, ending in the API version and `/event-notifications`;
 * on v3.1 the version segment may be left out, as the early pages of the standard show it. The URL is used as it is:
 * nothing is ever appended to it. Query, fragment and user information are refused, since the path would not be its end.
 * So is whatever a URL parser would change (dot segments, a default port, a host in upper case): it is never changed, and
 * what is called is what was registered (WHATWG URL, section 4.4).
 *
 * Does not look at where the host leads: that is the delivery's address guard, at every connection.
 *
 * @returns why it is refused, to be read after the field's name; undefined when it is valid
 */
export function checkCallbackUrl(text: string, apiVersion: ApiVersion): string | undefined {
  if (isLongerThan(text, CHARS_MAX)) return `must have at most ${CHARS_MAX} characters`;
  if (!URL.canParse(text) || !/^https?:\/\/[^/]/i.test(text)) return 'must be an absolute URL';
  const url = new URL(text);
  if (url.protocol !== 'https:') return 'must start with https://';
  // Also an empty one, `https://@tpp.example/`, which the URL parser drops.
  if (/^[^/]*\/\/[^/]*@/.test(text)) return 'must not hold a user name or a password';
  if (/[?#]/.test(text)) return 'must not have a query or a fragment';
  // The URL parser drops some white space, so that what was checked would not be what is sent.
  if (/[^\x21-\x7e]/.test(text) || text.includes('\\')) return 'must be written in printable ASCII without spaces';
  const isEarly = apiVersion === 'v3.1' && WITHOUT_VERSION.test(text);
  if (!isEarly && !WITH_VERSION.test(text)) {
    return apiVersion === 'v3.1'
      ? 'must end with /event-notifications'
      : 'must end with the API version and /event-notifications, as in /v4.0/event-notifications';
  }
  if (url.href === text) return undefined;
  return `must be written as URLs are normalised, which is ${cutText(url.href, SHOWN_CHARS_MAX)}`;
}
