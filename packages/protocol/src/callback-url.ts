import type { ApiVersion } from './versions.ts';

const CHARS_MAX = 2048;
const WITH_VERSION = /\/v\d+\.\d+(?:\.\d+)?\/event-notifications$/;
const WITHOUT_VERSION = /\/event-notifications$/;

/**
 * Checks a callback URL as section 2 of the rules says: `https`, ending in the API version and `/event-notifications`;
 * on v3.1 the version segment may be left out, as the early pages of the standard show it. The URL is used as it is:
 * nothing is ever appended to it. Query, fragment and user information are refused, since the path would not be its end.
 *
 * Does not look at where the host leads: that is the delivery's address guard, at every connection.
 *
 * @returns why it is refused, to be read after the field's name; undefined when it is good
 */
export function checkCallbackUrl(text: string, apiVersion: ApiVersion): string | undefined {
  if (text.length > CHARS_MAX) return `must have at most ${CHARS_MAX} characters`;
  if (!URL.canParse(text) || !/^https?:\/\/[^/]/i.test(text)) return 'must be an absolute URL';
  const url = new URL(text);
  if (url.protocol !== 'https:') return 'must start with https://';
  // Also an empty one, `https://@tpp.example/`, which the URL parser drops.
  if (/^[^/]*\/\/[^/]*@/.test(text)) return 'must not hold a user name or a password';
  if (/[?#]/.test(text)) return 'must not have a query or a fragment';
  // White space and control characters: the URL parser drops some of them, so that what was checked is not what was sent.
  if (/[^\x21-\x7e]/.test(text) || text.includes('\\')) return 'must be written in printable ASCII without spaces';
  // Of the text and of the path: the parser removes `x/..` from the path, and `https://event-notifications` has none.
  const endsWith = (ending: RegExp) => ending.test(text) && ending.test(url.pathname);
  if (endsWith(WITH_VERSION)) return undefined;
  if (apiVersion === 'v4.0')
    return 'must end with the API version and /event-notifications, as in /v4.0/event-notifications';
  return endsWith(WITHOUT_VERSION) ? undefined : 'must end with /event-notifications';
}
