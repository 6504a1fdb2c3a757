import type { ResourceLink } from '@tidings/protocol';
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
 * it fetches the allowed link of the highest version in `resourceVersions`. The version of a link is that in its path, such
 * as `/open-banking/v4.0/`, because it is the one that will be called; nothing is inferred from `rlk[].version`, which
 * banks fill in differently (rules, section 3), except where the path has no version. Without `resourceVersions` it fetches the
 * last allowed link. Because the token is sent along, a link is allowed only if it is https and its origin is in
 * `resourceOrigins`. By default none is.
 *
 * @returns a function that throws {@link BankError}: untrusted when no link is allowed or of a supported version, or the
 *   signature is invalid, else as for any call
 * @throws {TypeError} when an origin is not an https origin such as `https://rs.bank.example`, or a version is not one such
 *   as `4.0`
 */
export function createFetchResource(
  http: BankHttp,
  resourceOrigins: readonly string[],
  resourceVersions?: readonly string[],
): FetchResource {
  const allowed = new Set(resourceOrigins.map(originOf));
  const versions = resourceVersions?.map(supportedVersion).sort(compareVersions).reverse();

  return async (target) => {
    const links = (typeof target === 'string' ? [{ version: '', link: target }] : target.links).filter(({ link }) =>
      isAllowed(link, allowed),
    );
    if (links.length === 0) throw new BankError('untrusted', 'No link has an allowed origin (resourceOrigins).');
    const isGiven = typeof target === 'string' || versions === undefined;
    const url = (isGiven ? links : inBestVersion(links, versions)).at(-1)?.link;
    if (url === undefined) {
      const why = `No link is of a supported version (resourceVersions: ${resourceVersions?.join(', ')}).`;
      throw new BankError('untrusted', why);
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

const VERSION = /^v?(\d{1,4}(?:\.\d{1,4}){0,2})$/;
const VERSION_IN_PATH = /\/v(\d{1,4}(?:\.\d{1,4}){0,2})(?=\/)/g;

function supportedVersion(text: string): string {
  const [, version] = VERSION.exec(text) ?? [];
  if (version !== undefined) return version;
  throw new TypeError('resourceVersions must contain versions, such as 4.0');
}

/** The links of the first version that any has. @param versions the best first */
function inBestVersion(links: readonly ResourceLink[], versions: readonly string[]): readonly ResourceLink[] {
  for (const version of versions) {
    const found = links.filter((link) => isSameVersion(versionOf(link), version));
    if (found.length > 0) return found;
  }
  return [];
}

function versionOf({ version, link }: ResourceLink): string | undefined {
  const [, inPath] = [...new URL(link).pathname.matchAll(VERSION_IN_PATH)].at(-1) ?? [];
  return inPath ?? VERSION.exec(version)?.[1];
}

/** Paths have two numbers, `v3.1`; a TPP may name the release it supports, `3.1.11`. */
function isSameVersion(one: string | undefined, other: string): boolean {
  if (one === undefined) return false;
  const [a, b] = [numbersOf(one), numbersOf(other)];
  return a[0] === b[0] && (a[1] ?? 0) === (b[1] ?? 0);
}

function compareVersions(one: string, other: string): number {
  const [a, b] = [numbersOf(one), numbersOf(other)];
  for (const at of [0, 1, 2]) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(version: string): number[] {
  return version.split('.').map(Number);
}
