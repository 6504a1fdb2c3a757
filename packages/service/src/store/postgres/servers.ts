import { type DatabaseServer, type DatabaseUrl, nameOfServer } from '../../config/database-url.ts';

/** A connection to one of the servers, as far as it is needed here. */
export interface ServerConnection {
  readonly server: DatabaseServer;
  /** Ends it at once: whatever is under way on it fails with this. */
  abandon(reason: Error): void;
}

/**
 * Which of the servers of a URL takes writes, as far as is known. All connections of a process share it, so that what one of
 * them finds out, the others follow: when the primary is found on another server, every connection to the former one is
 * abandoned. A connection to a server that was cut off would notice nothing by itself.
 */
export class Servers {
  readonly #servers: DatabaseUrl['servers'];
  readonly #open = new Set<ServerConnection>();
  #current: DatabaseServer;

  constructor({ servers }: Pick<DatabaseUrl, 'servers'>) {
    this.#servers = servers;
    this.#current = servers[0];
  }

  /** How many there are. */
  get count(): number {
    return this.#servers.length;
  }

  /** Where to connect to now. */
  get current(): DatabaseServer {
    return this.#current;
  }

  /** A connection is being made. */
  add(connection: ServerConnection): void {
    this.#open.add(connection);
  }

  remove(connection: ServerConnection): void {
    this.#open.delete(connection);
  }

  /** A server cannot be connected to, takes no writes, or did not answer: the next one is tried. */
  suspect(server: DatabaseServer): void {
    if (server !== this.#current) return;
    const next = this.#servers[(this.#servers.indexOf(server) + 1) % this.#servers.length];
    this.#current = next ?? server;
  }

  /** A server said that it takes writes. */
  found(server: DatabaseServer): void {
    this.#current = server;
    for (const connection of this.#open) {
      if (connection.server === server) continue;
      this.#open.delete(connection);
      connection.abandon(new Error(`the primary is ${nameOfServer(server)} now`));
    }
  }
}
