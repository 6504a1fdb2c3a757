import type { EventNotification } from '../notification/event-notification.ts';
import { readJson } from './bank-answer.ts';
import { BankError } from './bank-error.ts';
import type { BankHttp } from './bank-http.ts';

/** A link, or a notification that brings links. */
export type ResourceTarget = string | Pick<EventNotification, 'links'>;

/** A resource as the bank's resource server gave it. */
export interface FetchedResource {
  /** 2xx. */
  readonly status: number;
  /** Parsed JSON, its shape not checked; undefined when the answer has no body. */
  readonly body: unknown;
  /** True when the answer carried `x-jws-signature` and it verified; false when it carried none. */
  readonly signed: boolean;
  /** The interaction id that was sent, to quote to the bank. */
  readonly interactionId: string;
}

/** Fetches the resource that a notification is about. */
export type FetchResource = (target: ResourceTarget) => Promise<FetchedResource>;

/**
 * Makes the last step of a notification's way: `GET` of the resource with mutual TLS and the token. Of a notification
 * the last link that is allowed is taken; its `version` is not looked at (rules, section 3). Only https links whose
 * origin is among `resourceOrigins` are fetched, since the token goes along; with none given, none is.
 *
 * @returns rejects with {@link BankError}: untrusted when no link is allowed or a signature is bad, and as every call
 * @throws {TypeError} when an origin is not an https origin such as `https://rs.bank.example`
 */
export function createFetchResource(http: BankHttp, resourceOrigins: readonly string[]): FetchResource {
  const allowed = new Set(resourceOrigins.map(originOf));

  return async (target) => {
    const links = typeof target === 'string' ? [target] : target.links.map(({ link }) => link);
    const url = links.findLast((link) => isAllowed(link, allowed));
    if (url === undefined) {
      throw new BankError('untrusted', 'No link leads to an origin that is allowed (resourceOrigins).');
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
  throw new TypeError('resourceOrigins must hold https origins, such as https://rs.bank.example');
}

function isAllowed(link: string, allowed: ReadonlySet<string>): boolean {
  if (!URL.canParse(link)) return false;
  const { origin, username, password } = new URL(link);
  return allowed.has(origin) && username === '' && password === '';
}
