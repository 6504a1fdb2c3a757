/** Ports from one to another, both included. */
export type PortRange = readonly [from: number, to: number];

/** Default of `delivery.callbackPortsAllowed`: HTTPS, and what no system service has by right (RFC 6335 section 6). */
export const CALLBACK_PORTS_ALLOWED: readonly string[] = ['443', '1024-65535'];

const PORT_MAX = 65_535;

/**
 * Reads a port such as `443`, or a range such as `1024-65535`.
 *
 * @returns undefined when it is neither
 */
export function portRangeOf(text: string): PortRange | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  return from >= 1 && from <= to && to <= PORT_MAX ? [from, to] : undefined;
}
