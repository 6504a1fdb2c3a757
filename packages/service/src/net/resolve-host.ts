import { Resolver } from 'node:dns/promises';
import { systemErrorCode } from '../base/start-up-error.ts';

/** Looks up a host name. @returns all its addresses, IPv4 and IPv6; rejects with an error whose code begins with `DNS_` */
export type ResolveHost = (host: string) => Promise<readonly string[]>;

/** A name has no address, or could not be looked up. */
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
 * Makes a resolver that uses DNS only: not the hosts file, multicast, or a search domain, which could lead to names of the
 * bank's own network. It does not use the thread pool, where a DNS server that hangs would delay signing.
 *
 * @param options.servers addresses of DNS servers, with `:port` if it is not 53; empty: those of the system
 * @throws {TypeError} when one is not an address
 */
export function createResolveHost(options: { servers: readonly string[]; timeoutMs: number }): ResolveHost {
  const resolver = new Resolver({ timeout: options.timeoutMs, tries: TRIES });
  if (options.servers.length > 0) resolver.setServers(options.servers);
  return async (host) => {
    // The final dot marks a fully qualified name, to which no search domain is appended.
    const name = host.endsWith('.') ? host : `${host}.`;
    const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const found = [ipv4, ipv6].flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (found.length > 0) return found;
    const reasons = [ipv4, ipv6].flatMap((one) => (one.status === 'rejected' ? [systemErrorCode(one.reason)] : []));
    throw new ResolveError(`DNS_${reasons[0] ?? 'ENODATA'}`);
  };
}
