import { type ClientRequest, request } from 'node:http';
import type { Socket } from 'node:net';

/** The proxy refused the tunnel. */
class TunnelError extends Error {
  override readonly name = 'TunnelError';
  /** Such as `PROXY_403`. */
  readonly code: string;

  constructor(status: number) {
    super(`the proxy answered ${status}`);
    this.code = `PROXY_${status}`;
  }
}

/**
 * Asks an HTTP proxy for a tunnel (RFC 9110 section 9.3.6).
 *
 * @param proxy a connection to the proxy, which becomes the tunnel; destroyed on failure
 * @param end aborts with its reason
 * @throws {TunnelError} when the proxy refuses
 */
export function openTunnel(
  proxy: Socket,
  { hostname, port }: { hostname: string; port: number },
  end: AbortSignal,
): Promise<Socket> {
  const authority = `${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      proxy.destroy();
      reject(error);
    };
    const asking: ClientRequest = request({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority },
      // Works only without an agent.
      createConnection: () => proxy,
    });
    asking.on('error', fail).on('connect', ({ statusCode = 0 }) => {
      if (statusCode >= 200 && statusCode < 300) resolve(proxy);
      else fail(new TunnelError(statusCode));
    });
    end.addEventListener('abort', () => fail(end.reason), { once: true });
    asking.end();
  });
}
