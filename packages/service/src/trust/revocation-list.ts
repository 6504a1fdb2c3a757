import { derChildren, readDer } from './der.ts';

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
// RFC 5280 section 4.1.2.5.1: a year of two digits is of this century below it.
const CENTURY_FROM = 50;

/**
 * When a revocation list is past: its `nextUpdate` (RFC 5280 section 5.1.2.5), after which TLS refuses every certificate of
 * its authority. Does not look at its signature.
 *
 * @param pem of one list
 * @returns in milliseconds since the epoch; undefined where the list does not say, or is none
 */
export function nextUpdateMsOf(pem: string): number | undefined {
  const list = readDer(Buffer.from(pem.replaceAll(/-----[^-]*-----/g, ''), 'base64'));
  const toBeSigned = list?.tag === SEQUENCE ? derChildren(list)?.[0] : undefined;
  const fields = toBeSigned?.tag === SEQUENCE ? derChildren(toBeSigned) : undefined;
  if (fields === undefined) return undefined;
  // Version, where it is given, then signature, issuer, thisUpdate, nextUpdate.
  const next = fields[fields[0]?.tag === INTEGER ? 4 : 3];
  return next && timeOf(next.tag, Buffer.from(next.content).toString('latin1'));
}

function timeOf(tag: number, text: string): number | undefined {
  const digits = tag === UTC_TIME ? `${Number(text.slice(0, 2)) < CENTURY_FROM ? '20' : '19'}${text}` : text;
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) return undefined;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [year = 0, month = 1, day, hour, minute, second] = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}
