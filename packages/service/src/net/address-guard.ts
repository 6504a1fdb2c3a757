import { systemErrorCode } from '../base/start-up-error.ts';
import { CALLBACK_PORTS_ALLOWED, portRangeOf } from '../config/derived.ts';
import { type AllowedBlocks, forbiddenReason, literalOf, readBlocks } from './addresses.ts';
import type { HostGuard } from './host-guard.ts';
import type { ResolveHost } from './resolve-host.ts';

/** The settings that lift the bans; the log names them. */
const SETTING = 'delivery.callbackAddressesAllowed';
const PORTS_SETTING = 'delivery.callbackPortsAllowed';
const HTTPS_PORT = 443;

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

/** A URL has a port that URLs of TPPs may not have. */
export class ForbiddenPortError extends Error {
  override readonly name = 'ForbiddenPortError';
  /** Such as `FORBIDDEN_PORT 25`. */
  readonly code: string;

  constructor(port: number) {
    super(`the port ${port} is forbidden; ${PORTS_SETTING} says which are allowed`);
    this.code = `FORBIDDEN_PORT ${port}`;
  }
}

/**
 * Holds URLs that TPPs chose (callback URLs, JWKS URLs) to public addresses, so that no TPP can make this service call into
 * the bank's networks, and to ports at which no other service listens. Throws and rejects with {@link ForbiddenAddressError},
 * {@link ForbiddenPortError} and `ResolveError`.
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
 * @param options.ports ports and ranges that are allowed; default: that of `delivery.callbackPortsAllowed`
 * @throws {TypeError} when one is not a block
 */
export function createAddressGuard(options: {
  allowed: readonly string[];
  ports?: readonly string[];
  resolve: ResolveHost;
}): AddressGuard {
  const allowed = readBlocks(options.allowed);
  const ports = (options.ports ?? CALLBACK_PORTS_ALLOWED).map(portRangeOf);

  function checkUrl({ hostname, port: text }: URL): void {
    const port = text === '' ? HTTPS_PORT : Number(text);
    if (!ports.some((range) => range !== undefined && range[0] <= port && port <= range[1])) {
      throw new ForbiddenPortError(port);
    }
    checkHost(hostname);
  }

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
    checkUrl,
    addressesOf: async (host) => {
      checkHost(host);
      const addresses = await lookUp(host, options.resolve);
      for (const address of addresses) checkAddress(address, allowed);
      return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    },
  };
}

/**
 * Says why a callback URL may not be registered, to be read after the field's name. One whose host cannot be looked up may
 * not, and the TPP is not told which it was: it could learn the names of the bank's networks by trying.
 *
 * @param isProxied the proxy looks hosts up, which this machine may not be able to
 * @returns undefined when it may
 */
export async function whyNotTo(
  callbackUrl: string,
  guard: AddressGuard,
  isProxied: boolean,
): Promise<string | undefined> {
  const url = new URL(callbackUrl);
  try {
    guard.checkUrl(url);
    if (!isProxied) await guard.addressesOf(url.hostname);
    return undefined;
  } catch (error) {
    if (error instanceof ForbiddenPortError) return 'must have a port that we deliver to';
    const isDns = systemErrorCode(error)?.startsWith('DNS_') === true;
    if (error instanceof ForbiddenAddressError || isDns) return 'must lead to a public address';
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
