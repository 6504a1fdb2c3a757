import type { IncomingMessage } from 'node:http';
import { isIdentityEncoding, messageFault } from '@tidings/protocol';

/**
 * A request that is refused by the rules of HTTP, whatever it asks for. The message is for the reader of the answer or the
 * log, and names the header and the remedy.
 */
export class HttpRefusal extends Error {
  override readonly name = 'HttpRefusal';
  readonly status: 400 | 405 | 415 | 417 | 501;
  /** Headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: HttpRefusal['status'], message: string, headers: Readonly<Record<string, string>>) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

// Another message may hide behind one that was not understood, so the connection ends.
const CLOSING = { connection: 'close' };
/**
 * Rejects a message that two parsers may read differently (`messageFault`): request smuggling.
 *
 * @throws {HttpRefusal} 400 or 501
 */
export function rejectAmbiguousMessage(request: IncomingMessage): void {
  const { httpVersion, headers } = request;
  const hosts = valuesOf(request, 'host');
  const fault = messageFault({ httpVersion, hosts, transferCoding: headers['transfer-encoding'] });
  if (fault !== undefined) throw new HttpRefusal(fault.status, fault.message, CLOSING);
}

/** Rejects a body with a content coding. @throws {HttpRefusal} 415 */
export function rejectContentEncoding(request: IncomingMessage): void {
  if (!hasContent(request) || isIdentityEncoding(valuesOf(request, 'content-encoding').join())) return;
  const message = 'Content-Encoding must be identity, or left out.';
  throw new HttpRefusal(415, message, { 'accept-encoding': 'identity' });
}

/** Whether a request has a body of at least one byte, according to its headers. */
export function hasContent({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Every value of a header; Node keeps only the first. @param name in lower case */
function valuesOf({ rawHeaders }: IncomingMessage, name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name);
}
