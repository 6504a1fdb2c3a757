import type { EventNotification } from '../notification/event-notification.ts';
import { readJson } from './bank-answer.ts';
import { BankError } from './bank-error.ts';
import type { BankHttp } from './bank-http.ts';

/** A link, or a notification with links. */
export type ResourceTarget = string | Pick<EventNotification, 'links'>;

/** A resource as returned by the bank's resource server. */
export interface FetchedResource {
  /** HTTP status, always 2xx. */
  readonly status: number;
  /** Parsed JSON, not validated; undefined when the response has no body. */
  readonly body: unknown;
  /** True when the response has an `x-jws-signature`, which was verified; false when it has none. */
  readonly signed: boolean;
  /** The interaction id that was sent, for enquiries at the bank. */
  readonly interactionId: string;
}

/** Fetches the resource of a notification or link. */
export type FetchResource = (target: ResourceTarget) => Promise<FetchedResource>;

/**
 * Creates the function that fetches the resource with `GET` over mutual TLS, with the access token. For a notification
 * it fetches the last allowed link, whatever its `version` (rules, section 3). Because the token is sent along, a link
 * is allowed only if it is https and its origin is in `resourceOrigins`. By default none is.
 *
 * @returns a function that throws {@link BankError}: untrusted when no link is allowed or the signature is invalid,
 *   else as for any call
 * @throws {TypeError} when an origin is not an https origin such as `https://rs.bank.example`
 */
export function createFetchResource(http: BankHttp, resourceOrigins: readonly string[]): FetchResource {
  const allowed = new Set(resourceOrigins.map(originOf));

  return async (target) => {
    const links = typeof target === 'string' ? [target] : target.links.map(({ link }) => link);
    const url = links.findLast((link) => isAllowed(link, allowed));
    if (url === undefined) {
      throw new BankError('untrusted', 'No link has an allowed origin (resourceOrigins).');
    }
    const answer = await http.send({ method: 'GET', url });
    const signed = answer.signature !== undefined;
    if (signed) await http.verify(answer);
    const body = answer.body.length === 0 ? undefined : readJson(answer);
    return { status: answer.status, body, signed, interactionId: answer.interactionId };
  };
}

function originOf(text: string): string {
  const origin = URL.canParse(text) ? new URL(text).origin : undefined;
  if (origin?.startsWith('https://') && (text === origin || text === `${origin}/`)) return origin;
  throw new TypeError('resourceOrigins must contain https origins, such as https://rs.bank.example');
}

function isAllowed(link: string, allowed: ReadonlySet<string>): boolean {
  if (!URL.canParse(link)) return false;
  const { origin, username, password } = new URL(link);
  return allowed.has(origin) && username === '' && password === '';
}
