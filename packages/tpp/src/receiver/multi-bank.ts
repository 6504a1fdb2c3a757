import { decodeBase64url, isJsonObject, parseStrictJson, StrictJsonError } from '@tidings/protocol';
import { NotificationError } from '../notification/notification-error.ts';
import type { NotificationHandling } from '../notification/notification-handler.ts';
import { checkTolerances, type SetVerification } from '../notification/set-verifier.ts';
import { type EndpointSettings, type ExpectedBank, type Receiver, receiverOf } from './receiver.ts';

/** One of several banks: what its tokens must have, and the paths of the callback URLs that are registered there. */
export interface BankSettings extends SetVerification {
  /** At least one, such as `/bank-a/open-banking/v4.0/event-notifications`. Compared literally, without the query. */
  readonly paths: readonly string[];
}

/** Options of {@link createMultiBankReceiver}. */
export type MultiBankReceiverOptions = EndpointSettings &
  NotificationHandling & {
    /** The banks by name. The names are the TPP's own, for its log; a notification tells its bank by `claims.iss`. */
    readonly banks: Readonly<Record<string, BankSettings>>;
  };

/**
 * Creates one receiver for the callback URLs of several banks. The bank of a token is the one whose `issuer` is its `iss`
 * claim and whose `paths` have the path of the request: both must agree. The token is then verified against the settings of
 * that bank alone: its keys, `signer`, `clientId`, `trustAnchors`, `clockSkewSeconds` and what it `tolerate`s. Otherwise
 * as `createReceiver`.
 *
 * A token of no bank, or of one at another path, is refused with `invalid_issuer`, in the words in which a receiver for one
 * bank does it: the answer tells neither which banks nor which paths there are. The refusal's `cause` says what was
 * looked for.
 *
 * @throws {TypeError} when no bank is given, a bank has no path, or two banks have the same `issuer` and a path in common
 */
export function createMultiBankReceiver(options: MultiBankReceiverOptions): Receiver {
  const { banks: given, ...endpoint } = options;
  const banks = new Map<string, ExpectedBank>();
  for (const [name, { paths, ...settings }] of Object.entries(given)) {
    checkTolerances(settings.tolerate);
    if (paths.length === 0) throw new TypeError(`banks: ${name} needs at least one path`);
    const verification = { ...(options.now !== undefined && { now: options.now }), ...settings };
    for (const path of paths) {
      if (!path.startsWith('/')) throw new TypeError(`banks: the path ${path} of ${name} must start with /`);
      const key = keyOf(settings.issuer, path);
      const other = banks.get(key)?.name;
      if (other !== undefined) throw new TypeError(`banks: ${other} and ${name} have the same issuer at ${path}`);
      banks.set(key, { name, verification });
    }
  }
  if (banks.size === 0) throw new TypeError('banks must name at least one bank');
  return receiverOf(endpoint, (set, request) => {
    const issuer = claimedIssuer(set);
    const { pathname } = new URL(request.url);
    const bank = banks.get(keyOf(issuer, pathname));
    if (bank !== undefined) return bank;
    const cause = new Error(`no bank has the issuer ${issuer} at the path ${pathname}`);
    throw new NotificationError('invalid_issuer', 'iss is not the expected ASPSP.', { cause });
  });
}

function keyOf(issuer: string, path: string): string {
  return JSON.stringify([issuer, path]);
}

/** The `iss` claim of a token that was not verified. Good for finding the bank, and for nothing else. */
function claimedIssuer(set: string): string {
  const payload = decodeBase64url(set.split('.', 2)[1] ?? '');
  const claims = payload === undefined || payload.length === 0 ? undefined : parsed(payload);
  const issuer = isJsonObject(claims) ? claims['iss'] : undefined;
  if (typeof issuer === 'string') return issuer;
  throw new NotificationError('invalid_request', 'The body is not a signed token with an iss claim.');
}

function parsed(payload: Uint8Array): unknown {
  try {
    return parseStrictJson(payload);
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}
