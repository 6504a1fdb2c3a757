import type { Server } from 'node:net';
import { StartUpError, systemErrorCode } from './start-up-error.ts';

/** A server that can listen: a Fastify instance. */
interface Listener {
  readonly server: Pick<Server, 'address'>;
  listen(options: { host: string; port: number }): Promise<string>;
}

/**
 * Listens, and says in one sentence why it cannot.
 *
 * @param section of the configuration, for the message
 * @returns the port, which differs from the one asked for when that was 0
 * @throws {StartUpError}
 */
export async function listen(
  server: Listener,
  section: string,
  address: { host: string; port: number },
): Promise<number> {
  const { host, port } = address;
  try {
    await server.listen({ host, port });
  } catch (error) {
    throw new StartUpError(sayWhy(error, section, host, port), { cause: error });
  }
  const bound = server.server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : port;
}

function sayWhy(error: unknown, section: string, host: string, port: number): string {
  switch (systemErrorCode(error)) {
    case 'EADDRINUSE':
      return `Port ${port} of ${host} is in use; stop what uses it, or choose another "${section}.port".`;
    case 'EACCES':
      return `Port ${port} needs more rights than this user has; choose "${section}.port" above 1023.`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `"${section}.host" (${host}) is not an address of this machine.`;
    default:
      return `Cannot listen on ${host} port ${port} ("${section}"): ${error instanceof Error ? error.message : error}.`;
  }
}
