import { Resolver } from 'node:dns/promises';
import { systemErrorCode } from '../base/start-up-error.ts';

/** Looks a host name up. @returns all its addresses, IPv4 and IPv6; rejects with an error whose code begins with `DNS_` */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** A name that has no address, or could not be looked up. */
export class ResolveError extends Error {
  override readonly name = 'ResolveError';
  /** `DNS_` and the code of the resolver, such as `DNS_ENOTFOUND`. */
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

const TRIES = 2;

/**
 * Makes what looks names up by DNS, and by DNS only: never in the hosts file, by multicast, or in a search domain, where a
 * name of the bank's own network could hide. It does not use the thread pool either, where a DNS server that hangs would
 * hold signing up.
 *
 * @param options.servers addresses of DNS servers, with `:port` if it is not 53; empty: those of the system
 * @throws {TypeError} when one is not an address
 */
export function createResolveHost(options: { servers: readonly string[]; timeoutMs: number }): ResolveHost {
  const resolver = new Resolver({ timeout: options.timeoutMs, tries: TRIES });
  if (options.servers.length > 0) resolver.setServers(options.servers);
  return async (host) => {
    // The final dot makes it a whole name, so that no search domain is put behind it.
    const name = host.endsWith('.') ? host : `${host}.`;
    const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [ipv4, ipv6].flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (found.length > 0) return found;
    const reasons = [ipv4, ipv6].flatMap((one) => (one.status === 'rejected' ? [systemErrorCode(one.reason)] : []));
    throw new ResolveError(`DNS_${reasons[0] ?? 'ENODATA'}`);
  };
}
