import { BlockList, isIP } from 'node:net';
import { StartUpError } from '../base/start-up-error.ts';

interface Address {
  readonly address: string;
  readonly family: 'ipv4' | 'ipv6';
}

const MAPPED_PREFIX_BITS = 96;

/**
 * Makes a check of remote addresses against a list of addresses and CIDR blocks, IPv4 and IPv6. An IPv4 address is the
 * same when it is written as an IPv6 one (`::ffff:10.0.0.1`), as listeners on both families report it. An address with
 * a zone (`fe80::1%eth0`) is in no list, since the same address on another link is another machine.
 *
 * @throws {StartUpError} naming the entry that is not an address, or a block that contains every address
 */
export function createAddressList(entries: readonly string[]): (remoteAddress: string | undefined) => boolean {
  const list = new BlockList();
  for (const entry of entries) addEntry(list, entry);
  return (remoteAddress) => {
    const parsed = remoteAddress === undefined ? undefined : parseAddress(remoteAddress);
    return parsed !== undefined && list.check(parsed.address, parsed.family);
  };
}

function addEntry(list: BlockList, entry: string): void {
  const [text = '', prefix, ...more] = entry.split('/');
  const parsed = parseAddress(text);
  if (parsed === undefined || more.length > 0) throw refusal(entry, 'is not an IP address or CIDR block');
  const { address, family } = parsed;
  if (prefix === undefined) {
    list.addAddress(address, family);
    return;
  }
  const bitsMax = family === 'ipv4' ? 32 : 128;
  const isMapped = family === 'ipv4' && text.includes(':');
  const bits = /^\d{1,3}$/.test(prefix) ? Number(prefix) - (isMapped ? MAPPED_PREFIX_BITS : 0) : -1;
  if (bits === 0) throw refusal(entry, 'would trust every address');
  if (bits < 0 || bits > bitsMax) throw refusal(entry, 'is not an IP address or CIDR block');
  list.addSubnet(address, bits, family);
}

/** Canonical form: IPv6 in its shortest form, and IPv4 for mapped addresses. */
function parseAddress(text: string): Address | undefined {
  if (isIP(text) === 4) return { address: text, family: 'ipv4' };
  if (isIP(text) !== 6 || text.includes('%')) return undefined;
  const address = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return { address, family: 'ipv6' };
  const bytes = [high, low].flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
  return { address: bytes.join('.'), family: 'ipv4' };
}

function refusal(entry: string, why: string): StartUpError {
  return new StartUpError(
    `"api.gateway.addresses": ${JSON.stringify(entry)} ${why}; give the gateway's own addresses.`,
  );
}
