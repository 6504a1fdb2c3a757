import ipaddr from 'ipaddr.js';

/** Addresses that are allowed although they are not public. */
export type AllowedBlocks = readonly (readonly [ipaddr.IPv4 | ipaddr.IPv6, number])[];

// The metadata service of a cloud at an address in a public range; those of others are link-local or private.
const METADATA = new Set(['168.63.129.16']);
// All global unicast addresses of IPv6 (RFC 4291 section 2.4); no other address is public.
const GLOBAL_UNICAST: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('2000::'), 3];
// RFC 6052: an IPv4 address in the last four bytes, as IPv6-only networks see the IPv4 Internet.
const NAT64: [ipaddr.IPv6, number] = [ipaddr.IPv6.parse('64:ff9b::'), 96];
// RFC 5214: 0000:5efe or 0200:5efe before an IPv4 address in the interface identifier.
const ISATAP = 0x5efe;

/**
 * Reads CIDR blocks.
 *
 * @throws {TypeError} naming the entry that is not a CIDR block
 */
export function readBlocks(blocks: readonly string[]): AllowedBlocks {
  return blocks.map((block) => {
    if (!ipaddr.isValidCIDR(block)) throw new TypeError(`"${block}" is not a CIDR block such as 10.1.0.0/16`);
    return ipaddr.parseCIDR(block);
  });
}

/** An address without its brackets; undefined when the text is not an address. */
export function literalOf(host: string): string | undefined {
  const text = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  return ipaddr.IPv6.isValid(text) || ipaddr.IPv4.isValidFourPartDecimal(text) ? text : undefined;
}

/**
 * Describes why connections to an address are forbidden: it is neither public nor allowed. An IPv4 address embedded in IPv6
 * (mapped, NAT64, ISATAP) counts as that IPv4 address. 6to4 and Teredo are forbidden, since their destination is unknown.
 *
 * @param address in text form; one that cannot be parsed is forbidden
 * @returns a word for the operator, such as `loopback`; undefined when the address is permitted
 */
export function forbiddenReason(address: string, allowed: AllowedBlocks): string | undefined {
  if (literalOf(address) === undefined) return 'unreadable';
  const parsed = ipaddr.process(address);
  if (isAllowed(parsed, allowed)) return undefined;
  return parsed instanceof ipaddr.IPv4 ? reasonOfIpv4(parsed) : reasonOfIpv6(parsed, allowed);
}

function isAllowed(address: ipaddr.IPv4 | ipaddr.IPv6, allowed: AllowedBlocks): boolean {
  return allowed.some(([block, bits]) => block.kind() === address.kind() && address.match(block, bits));
}

function reasonOfIpv4(address: ipaddr.IPv4): string | undefined {
  if (METADATA.has(address.toString())) return 'metadata';
  const range = address.range();
  return range === 'unicast' ? undefined : range;
}

function reasonOfIpv6(address: ipaddr.IPv6, allowed: AllowedBlocks): string | undefined {
  // fe80::1%eth0: the network depends on this machine.
  if (address.zoneId !== undefined) return 'zone';
  const [, , , , , , high = 0, low = 0] = address.parts;
  const embedded = `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  if (address.match(...NAT64)) return forbiddenReason(embedded, allowed);
  const range = address.range();
  if (range !== 'unicast') return range;
  if (!address.match(...GLOBAL_UNICAST)) return 'reserved';
  const [, , , , interfaceHigh = 0, interfaceLow = 0] = address.parts;
  const isIsatap = interfaceLow === ISATAP && (interfaceHigh & ~0x0200) === 0;
  return isIsatap ? forbiddenReason(embedded, allowed) : undefined;
}
