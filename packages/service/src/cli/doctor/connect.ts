import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { Clock } from '../../base/clock.ts';

/** Where to, and whom to trust there. */
export interface TlsTarget {
  /** Name or address that is connected to. */
  readonly host: string;
  readonly port: number;
  /** The name that the certificate must have; an address too. */
  readonly name: string;
  /** PEM; undefined: the roots of Node.js. */
  readonly ca: string | undefined;
  /** What is in `ca` is trusted as it is, whoever issued it. */
  readonly isCaEnough?: boolean;
  readonly timeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
}

/** What came of a handshake. */
export type Handshake =
  | { readonly kind: 'connected'; readonly protocol: string; readonly certificate: X509Certificate | undefined }
  | { readonly kind: 'failed'; readonly error: unknown };

/** Does the TLS handshake and hangs up: nothing is sent. Never rejects. */
export function handshake({ host, port, name, ca, isCaEnough, timeoutMs, clock }: TlsTarget): Promise<Handshake> {
  return new Promise((resolve) => {
    const socket = connect({
      ...{ host, port, minVersion: 'TLSv1.2', ALPNProtocols: ['http/1.1'] },
      rejectUnauthorized: true,
      // A name is told to the server and compared; an address is only compared.
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(ca !== undefined && { ca }),
      ...(isCaEnough === true && { allowPartialTrustChain: true }),
    });
    const cancel = clock.after(timeoutMs, () => {
      socket.destroy(Object.assign(new Error(`no answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
    });
    const settle = (handshake: Handshake) => {
      cancel();
      resolve(handshake);
      socket.destroy();
    };
    socket.on('error', (error) => settle({ kind: 'failed', error }));
    socket.once('secureConnect', () => {
      settle({
        kind: 'connected',
        protocol: socket.getProtocol() ?? 'TLS',
        certificate: socket.getPeerX509Certificate(),
      });
    });
  });
}
