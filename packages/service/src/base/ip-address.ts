import { isIPv6 } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/**
 * The unit by which connections and requests are counted: an IPv4 address, or the /64 network of an IPv6 address, all of
 * which usually belongs to one host.
 *
 * @returns an empty string for a connection that has ended, or has no address
 */
export function remoteNetworkOf({ remoteAddress = '' }: { readonly remoteAddress?: string | undefined }): string {
  const mapped = MAPPED_IPV4.exec(remoteAddress)?.[1];
  if (mapped !== undefined) return mapped;
  const [address = ''] = remoteAddress.split('%');
  if (!isIPv6(address)) return address;
  const [left = [], right = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: GROUPS - left.length - right.length }, () => '0');
  const network = [...left, ...zeros, ...right].slice(0, NETWORK_GROUPS);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`;
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Whether a host is this machine. @param host a name or address, also in the form that URLs have (`[::1]`) */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}
