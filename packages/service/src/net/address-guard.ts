import type { HostGuard } from '../base/host-guard.ts';
import { systemErrorCode } from '../base/start-up-error.ts';
import { type AllowedBlocks, forbiddenReason, literalOf, readBlocks } from './addresses.ts';
import type { ResolveHost } from './resolve-host.ts';

/** The setting that lifts the ban for addresses; the log names it. */
const SETTING = 'delivery.callbackAddressesAllowed';

/** A host leads, or could lead, to where URLs of TPPs may not lead. The message is for the operator, not for the TPP. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
  /** Such as `FORBIDDEN_ADDRESS loopback`. */
  readonly code: string;

  constructor(reason: string) {
    super(`the host leads to a forbidden address (${reason}); ${SETTING} says which are allowed`);
    this.code = `FORBIDDEN_ADDRESS ${reason}`;
  }
}

/**
 * Holds URLs that TPPs chose (callback URLs, JWKS URLs) to public addresses, so that no TPP can make this service call into
 * the bank's networks. Rejects with {@link ForbiddenAddressError} and `ResolveError`.
 */
export type AddressGuard = HostGuard;

// RFC 6761 and RFC 8375, and what networks use inside: such names are never public, whatever a DNS server says.
const INNER_NAMES = /(?:^|\.)(?:local|internal|intranet|lan|home|corp|private|home\.arpa|onion|test|invalid)$/;
const LOCALHOST = /(?:^|\.)localhost$/;
// RFC 6761 section 6.3: these are its addresses, and nobody need be asked.
const LOOPBACK = ['127.0.0.1', '::1'];
// A name that ends in a number is an address in one of the spellings that parsers do not agree on.
const NUMERIC_END = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/i;

/**
 * Makes a guard.
 *
 * @param options.allowed CIDR blocks that are allowed although they are not public
 * @throws {TypeError} when one is not a block
 */
export function createAddressGuard(options: { allowed: readonly string[]; resolve: ResolveHost }): AddressGuard {
  const allowed = readBlocks(options.allowed);

  function checkHost(host: string): void {
    const literal = literalOf(host);
    if (literal === undefined) checkName(nameOf(host));
    else checkAddress(literal, allowed);
  }

  function checkName(name: string): void {
    if (NUMERIC_END.test(name)) throw new ForbiddenAddressError('spelling');
    if (LOCALHOST.test(name)) for (const address of LOOPBACK) checkAddress(address, allowed);
    // Where the bank allows addresses of its own networks, names in these are its own business.
    if (allowed.length === 0 && (INNER_NAMES.test(name) || !name.includes('.'))) {
      throw new ForbiddenAddressError('inner name');
    }
  }

  return {
    checkHost,
    addressesOf: async (host) => {
      checkHost(host);
      const addresses = await lookUp(host, options.resolve);
      for (const address of addresses) checkAddress(address, allowed);
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    },
  };
}

/**
 * Says whether a callback URL may be registered. One whose host cannot be looked up may not, and the TPP is not told which it
 * was: it could learn the names of the bank's networks by trying.
 *
 * @param isProxied the proxy looks hosts up, which this machine may not be able to
 */
export async function mayLeadTo(callbackUrl: string, guard: AddressGuard, isProxied: boolean): Promise<boolean> {
  const { hostname } = new URL(callbackUrl);
  try {
    if (isProxied) guard.checkHost(hostname);
    else await guard.addressesOf(hostname);
    return true;
  } catch (error) {
    if (error instanceof ForbiddenAddressError) return false;
    if (systemErrorCode(error)?.startsWith('DNS_') === true) return false;
    throw error;
  }
}

function lookUp(host: string, resolve: ResolveHost): Promise<readonly string[]> | readonly string[] {
  const literal = literalOf(host);
  if (literal !== undefined) return [literal];
  const name = nameOf(host);
  return LOCALHOST.test(name) ? LOOPBACK : resolve(name);
}

function checkAddress(address: string, allowed: AllowedBlocks): void {
  const reason = forbiddenReason(address, allowed);
  if (reason !== undefined) throw new ForbiddenAddressError(reason);
}

function nameOf(host: string): string {
  return host.toLowerCase().replace(/\.$/, '');
}
