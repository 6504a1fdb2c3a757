import { POLL_BODY_BYTES_MAX } from '@tidings/protocol';

/** Largest body of a poll, in bytes: for the listener and the published documents. Never below the limit of the protocol. */
export function pollBodyBytesMax({ bodyBytesMax }: { readonly bodyBytesMax: number }): number {
  return Math.max(bodyBytesMax, POLL_BODY_BYTES_MAX);
}

/** A range of ports, both ends included. */
export type PortRange = readonly [from: number, to: number];

/** Default of `delivery.callbackPortsAllowed`: HTTPS, and the ports that no system service has by right (RFC 6335 section 6). */
export const CALLBACK_PORTS_ALLOWED: readonly string[] = ['443', '1024-65535'];

const PORT_MAX = 65_535;

/**
 * Reads a port such as `443`, or a range such as `1024-65535`.
 *
 * @returns undefined if it is neither
 */
export function portRangeOf(text: string): PortRange | undefined {
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  return from >= 1 && from <= to && to <= PORT_MAX ? [from, to] : undefined;
}

/** How an authorisation server marks tokens of the client credentials grant; exactly one of `value` and `pattern`. */
export interface GrantMark {
  /** Name of the claim, or a path of names such as `act.sub`. */
  readonly claim: string;
  /** The exact value of the claim. */
  readonly value?: string | undefined;
  /** Regular expression that the whole claim must match. */
  readonly pattern?: string | undefined;
}

const SYNTAX_CHARACTERS = /[\\^$.*+?()[\]{}|/]/g;

/** Whether a claim matches the mark. `{client_id}` is replaced by the `client_id`, `{client_id:lower}` by the same in lower case. */
export function hasGrantMark(claim: string, { value, pattern = '' }: GrantMark, clientId: string): boolean {
  if (value !== undefined) return claim === filledIn(value, clientId);
  const source = filledIn(pattern, clientId, (id) => id.replaceAll(SYNTAX_CHARACTERS, '\\$&'));
  return new RegExp(`^(?:${source})$`, 'u').test(claim);
}

function filledIn(template: string, clientId: string, escaped = (id: string) => id): string {
  return template.replaceAll(/\{client_id(:lower)?\}/g, (_, lower: string | undefined) =>
    escaped(lower === undefined ? clientId : clientId.toLowerCase()),
  );
}
