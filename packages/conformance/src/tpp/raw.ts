import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { Clock } from '../clock.ts';
import { type Endpoint, messageOfError, UnreachableError } from './endpoint.ts';

/** How a TLS handshake ended. */
export type Handshake =
  | { readonly kind: 'done'; readonly socket: TLSSocket }
  /** The other side ended it. */
  | { readonly kind: 'refused'; readonly why: string }
  /** This side cannot even offer it. */
  | { readonly kind: 'not-offered'; readonly why: string }
  /** The certificate is not accepted: the other side would have gone on. */
  | { readonly kind: 'distrusted'; readonly code: string; readonly why: string };

/** Surroundings of a handshake. */
export interface HandshakeScope {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

const REFUSED =
  /^(ERR_SSL_.*ALERT|ECONNRESET|EPIPE|ERR_SSL_UNEXPECTED_EOF|ERR_SSL_UNSUPPORTED_PROTOCOL|ERR_SSL_WRONG_VERSION)/;
const NOT_OFFERED = /^(ERR_SSL_NO_CIPHER|ERR_SSL_NO_PROTOCOLS|ERR_SSL_LIBRARY_HAS_NO_CIPHERS|ERR_TLS_INVALID_PROTOCOL)/;
const UNREACHABLE = /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT)$/;

/**
 * Makes a TLS connection with other options than those of a good client. The caller destroys the socket.
 *
 * @throws {UnreachableError} when there is no TCP connection, or the handshake does not end in time
 */
export function handshake(endpoint: Endpoint, options: ConnectionOptions, scope: HandshakeScope): Promise<Handshake> {
  const { clock, signal, timeoutMs } = scope;
  return new Promise((resolve, reject) => {
    let socket: TLSSocket;
    try {
      socket = connect({ ...endpoint.tls, ...options, rejectUnauthorized: true });
    } catch (error) {
      resolve({ kind: 'not-offered', why: messageOfError(error) });
      return;
    }
    const unreachable = (why: string) =>
      reject(new UnreachableError(`${endpoint.url.origin} cannot be reached: ${why}`));
    const stop = () => socket.destroy(new Error('the check was stopped'));
    const cancel = clock.after(timeoutMs, () => {
      socket.destroy();
      unreachable(`no TLS handshake within ${timeoutMs / 1000} s`);
    });
    const settle = (result: Handshake) => {
      cancel();
      signal.removeEventListener('abort', stop);
      resolve(result);
    };
    signal.addEventListener('abort', stop, { once: true });
    socket.once('secureConnect', () => settle({ kind: 'done', socket }));
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const code = error.code ?? '';
      cancel();
      if (UNREACHABLE.test(code)) unreachable(messageOfError(error));
      else if (NOT_OFFERED.test(code)) settle({ kind: 'not-offered', why: messageOfError(error) });
      else if (REFUSED.test(code)) settle({ kind: 'refused', why: messageOfError(error) });
      else settle({ kind: 'distrusted', code, why: messageOfError(error) });
    });
  });
}

const RESPONSE_CHARS_MAX = 16_384;

/**
 * Sends bytes over a TLS connection, and reads until the other side ends it or the time is over.
 *
 * @returns what came, and whether the other side ended the connection
 */
export function converse(
  socket: TLSSocket,
  text: string,
  { clock, signal, timeoutMs }: HandshakeScope,
): Promise<{ readonly received: string; readonly isEnded: boolean }> {
  return new Promise((resolve) => {
    let received = '';
    const end = (isEnded: boolean) => {
      cancel();
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve({ received, isEnded });
    };
    const abort = () => end(false);
    const cancel = clock.after(timeoutMs, () => end(false));
    signal.addEventListener('abort', abort, { once: true });
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      if (received.length < RESPONSE_CHARS_MAX) received += chunk;
    });
    socket
      .on('end', () => end(true))
      .on('close', () => end(true))
      .on('error', () => end(true));
    socket.write(text);
  });
}
