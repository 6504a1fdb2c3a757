/** Of the head of a request, what says where its body ends and whom it is for. */
export interface MessageHead {
  /** Such as `1.1`; undefined where it is not known. */
  readonly httpVersion?: string | undefined;
  /** The values of all `Host` headers. */
  readonly hosts: readonly string[];
  /** The value of `Transfer-Encoding`. */
  readonly transferCoding: string | null | undefined;
}

/** Why a request is ambiguous, and the status of the answer. */
export interface MessageFault {
  readonly status: 400 | 501;
  /** One sentence that names the header. */
  readonly message: string;
}

// A name, an IPv4 or an IPv6 address, and a port (RFC 9110 section 7.2); empty where the target has no authority.
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*)(?::[0-9]*)?$/;

/**
 * Finds what two readers of the same bytes may understand differently: a `Host` that is absent, given twice or no host
 * (RFC 9112 section 3.2), and a transfer coding beside `chunked` (section 6.1). Another message may hide behind such a one:
 * its connection must end with the answer.
 *
 * @returns undefined where there is nothing of the kind
 */
export function messageFault({ httpVersion, hosts, transferCoding }: MessageHead): MessageFault | undefined {
  const bad = (message: string) => ({ status: 400, message }) as const;
  if (hosts.length > 1) return bad('Host is given more than once; send one.');
  if (hosts.length === 0 && httpVersion !== undefined && httpVersion !== '1.0')
    return bad('Host is missing; send one.');
  if (!HOST.test(hosts[0] ?? '')) return bad('Host is not a host and a port.');
  if (transferCoding === undefined || transferCoding === null) return undefined;
  if (httpVersion === '1.0') return bad('Transfer-Encoding is not of HTTP/1.0.');
  if (!/^chunked$/i.test(transferCoding)) return { status: 501, message: 'Transfer-Encoding must be chunked alone.' };
  return undefined;
}
