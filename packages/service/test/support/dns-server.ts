import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';

/** What a name has: no addresses of a kind where none are given. */
export interface Records {
  readonly ipv4?: readonly string[];
  readonly ipv6?: readonly string[];
}

const HEADER_BYTES = 12;
const TYPE_AAAA = 28;

/**
 * A DNS server on the loopback (RFC 1035), until its test ends.
 *
 * @param answer what a name has now; undefined: no answer at all
 */
export async function startDns(t: TestContext, answer: (name: string) => Records | undefined) {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, end } = questionOf(query);
    asked.push(name);
    const records = answer(name);
    if (records === undefined) return;
    const type = query.readUInt16BE(end);
    const addresses = type === TYPE_AAAA ? (records.ipv6 ?? []).map(ipv6Bytes) : (records.ipv4 ?? []).map(ipv4Bytes);
    socket.send(responseTo(query, end, type, addresses), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.after(() => socket.close());
  return { address: `127.0.0.1:${socket.address().port}`, asked: () => asked };
}

function questionOf(query: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('ascii', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function responseTo(query: Buffer, end: number, type: number, addresses: readonly Buffer[]): Buffer {
  const header = Buffer.from(query.subarray(0, HEADER_BYTES));
  header.writeUInt16BE(0x8180, 2);
  header.writeUInt16BE(addresses.length, 6);
  header.writeUInt32BE(0, 8);
  const question = query.subarray(HEADER_BYTES, end + 4);
  const records = addresses.map((address) => {
    const record = Buffer.alloc(12);
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(type, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(address.length, 10);
    return Buffer.concat([record, address]);
  });
  return Buffer.concat([header, question, ...records]);
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function ipv6Bytes(address: string): Buffer {
  const [left = '', right = ''] = address.split('::');
  const wordsOf = (part: string) => (part === '' ? [] : part.split(':'));
  const gap = 8 - wordsOf(left).length - wordsOf(right).length;
  const words = [...wordsOf(left), ...Array.from({ length: gap }, () => '0'), ...wordsOf(right)];
  return Buffer.from(words.map((word) => word.padStart(4, '0')).join(''), 'hex');
}
