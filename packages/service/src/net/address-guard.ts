import { systemErrorCode } from '../base/start-up-error.ts';
import { CALLBACK_PORTS_ALLOWED, portRangeOf } from '../config/derived.ts';
import { type AllowedBlocks, forbiddenReason, literalOf, readBlocks } from './addresses.ts';
import type { HostGuard } from './host-guard.ts';
import type { ResolveHost } from './resolve-host.ts';

// The settings that allow more; errors name them.
const SETTING = 'delivery.callbackAddressesAllowed';
const PORTS_SETTING = 'delivery.callbackPortsAllowed';
const HTTPS_PORT = 443;

/** The host of a TPP's URL has, or could have, a forbidden address. The message is for the operator, not for the TPP. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError';
  /** Such as `FORBIDDEN_ADDRESS loopback`. */
  readonly code: string;

  constructor(reason: string) {
    super(`the host leads to a forbidden address (${reason}); ${SETTING} says which are allowed`);
    this.code = `FORBIDDEN_ADDRESS ${reason}`;
  }
}

/** A TPP's URL has a forbidden port. */
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
 * Restricts URLs that TPPs chose (callback URLs, JWKS URLs) to public addresses, so that no TPP can make this service call
 * into the bank's networks (SSRF), and to ports that other kinds of service do not use. Throws and rejects with
 * {@link ForbiddenAddressError}, {@link ForbiddenPortError} and `ResolveError`.
 */
export type AddressGuard = HostGuard;

// RFC 6761, RFC 8375 and common internal names: never public, whatever a DNS server says.
const INNER_NAMES = /(?:^|\.)(?:local|internal|intranet|lan|home|corp|private|home\.arpa|onion|test|invalid)$/;
const LOCALHOST = /(?:^|\.)localhost$/;
// The addresses of localhost (RFC 6761 section 6.3), which need no look-up.
const LOOPBACK = ['127.0.0.1', '::1'];
// A name that ends in a number is an address in a spelling that parsers disagree on.
const NUMERIC_END = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/i;

/**
 * Makes a guard.
 *
 * @param options.allowed CIDR blocks that are allowed although they are not public
 * @param options.ports allowed ports and ranges; default: that of `delivery.callbackPortsAllowed`
 * @throws {TypeError} when an entry of `allowed` is not a CIDR block
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
    // Where the bank allows addresses of its own networks, internal names are allowed too.
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
 * Describes why a callback URL may not be registered, in words that follow the field's name. A host that cannot be looked up
 * and one with a forbidden address are not told apart: a TPP could learn names of the bank's networks by trying.
 *
 * @param isProxied the proxy looks up hosts, and this machine may not be able to
 * @returns undefined when the URL may be registered
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
