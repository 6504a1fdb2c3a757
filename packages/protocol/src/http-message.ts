/** The fields of a request head that determine its target host and the length of its body. */
export interface MessageHead {
  /** Such as `1.1`; undefined when unknown. */
  readonly httpVersion?: string | undefined;
  /** The values of all `Host` headers. */
  readonly hosts: readonly string[];
  /** The value of `Transfer-Encoding`. */
  readonly transferCoding: string | null | undefined;
}

/** Why a request is ambiguous, and the status to respond with. */
export interface MessageFault {
  readonly status: 400 | 501;
  /** One sentence that names the header. */
  readonly message: string;
}

// A name, an IPv4 or IPv6 address, and an optional port (RFC 9110 section 7.2); empty if the target has no authority.
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::[0-9]*)?$/;

/**
 * Finds ambiguities that two parsers may resolve differently (request smuggling): a `Host` that is missing, repeated or
 * malformed (RFC 9112 section 3.2), or a transfer coding other than `chunked` (section 6.1). A second message may hide
 * behind such a request, so its connection must be closed after the response.
 *
 * @returns undefined when the request is unambiguous
 */
export function messageFault({ httpVersion, hosts, transferCoding }: MessageHead): MessageFault | undefined {
  const bad = (message: string) => ({ status: 400, message }) as const;
  if (hosts.length > 1) return bad('Host is repeated; send one.');
  if (hosts.length === 0 && httpVersion !== undefined && httpVersion !== '1.0')
    return bad('Host is missing; send one.');
  if (!HOST.test(hosts[0] ?? '')) return bad('Host is not a host with an optional port.');
  if (transferCoding === undefined || transferCoding === null) return undefined;
  if (httpVersion === '1.0') return bad('Transfer-Encoding is not allowed in HTTP/1.0.');
  if (!/^chunked$/i.test(transferCoding))
    return { status: 501, message: 'Transfer-Encoding must be chunked and nothing else.' };
  return undefined;
}
