import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from './clock.ts';
import { remoteNetworkOf } from './ip-address.ts';

/** Limits on the number of connections, and on the time until the first request of each. */
export interface ConnectionLimits {
  /** Most concurrent connections. */
  readonly connectionsMax: number;
  /** Most concurrent connections from one remote address; an IPv6 /64 network counts as one. */
  readonly connectionsPerAddressMax: number;
  /** Whether a remote address is exempt from `connectionsPerAddressMax`: a gateway or proxy of the bank. */
  readonly isUncounted: (remoteAddress: string | undefined) => boolean;
  /** Longest time from the connection to the headers of its first request, the TLS handshake included. */
  readonly firstRequestTimeoutMs: number;
  readonly clock: Pick<Clock, 'after'>;
}

interface Connection {
  /** The TCP socket. */
  readonly socket: Socket;
  /** The socket that requests arrive on: the TLS socket once the handshake is done. */
  channel: Socket;
  isSecured: boolean;
  requests: number;
  isUsed: boolean;
  /** It is closed with the answer under way. */
  isRetired: boolean;
  /** Cancels the deadline of the first request. */
  cancelDeadline: () => void;
  readonly pools: readonly Pool[];
}

/** Connections in the order in which they may be closed to make room. */
class Pool {
  /** No request yet; oldest first. */
  readonly silent = new Set<Connection>();
  /** Between two requests; longest idle first. */
  readonly idle = new Set<Connection>();
  readonly busy = new Set<Connection>();

  get size(): number {
    return this.silent.size + this.idle.size + this.busy.size;
  }

  get mostDispensable(): Connection | undefined {
    return [this.silent, this.idle].map((set) => set.values().next()).find(({ done }) => done !== true)?.value;
  }

  put(connection: Connection): void {
    this.remove(connection);
    if (connection.requests > 0) this.busy.add(connection);
    else if (connection.isUsed) this.idle.add(connection);
    else this.silent.add(connection);
  }

  remove(connection: Connection): void {
    for (const set of [this.silent, this.idle, this.busy]) set.delete(connection);
  }
}

/**
 * Limits the connections of a listener, in number and in time until the first request. At the limit a new connection
 * replaces one that has made no request, or else the one that has been idle longest, so that a peer that only opens
 * connections locks nobody out. Where all have a request under way, the new one is closed.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #onLate: (socket: Socket) => void;
  readonly #all = new Pool();
  readonly #byNetwork = new Map<string, Pool>();
  readonly #bySocket = new WeakMap<Socket, Connection>();
  // TLS creates a second socket for the same connection, which is recognised by its peer.
  readonly #byPeer = new Map<string, Connection>();

  /** @param onLate answers and closes a connection whose first request is late */
  constructor(limits: ConnectionLimits, onLate: (socket: Socket) => void) {
    this.#limits = limits;
    this.#onLate = onLate;
  }

  /** @param isTls whether requests arrive only after a handshake */
  follow(server: Server, isTls: boolean): void {
    server.on('connection', (socket) => this.#open(socket, isTls));
    server.on('secureConnection', (channel: Socket) => this.#secure(channel));
    server.on('request', (request, response) => this.#use(request, response));
  }

  /** Closes at once all connections, or those on which no request has begun to arrive. */
  cutOff(which: 'unused' | 'all'): void {
    const isUnused = ({ socket, isSecured, isUsed }: Connection) => !isUsed && (isSecured || socket.bytesRead === 0);
    for (const set of [this.#all.silent, this.#all.idle, this.#all.busy]) {
      for (const connection of set) if (which === 'all' || isUnused(connection)) close(connection);
    }
  }

  /**
   * Ends the present connections: one without a request under way is closed at once, the others with their answer, or when
   * the grace period is over.
   *
   * @returns a function that cancels the end of the grace period
   */
  retire(graceMs: number): () => void {
    for (const set of [this.#all.silent, this.#all.idle]) for (const connection of set) close(connection);
    const busy = [...this.#all.busy];
    for (const connection of busy) connection.isRetired = true;
    return this.#limits.clock.after(graceMs, () => {
      for (const connection of busy) close(connection);
    });
  }

  /** Whether the connection is closed with the answer under way. */
  isRetired(socket: Socket): boolean {
    return this.#bySocket.get(socket)?.isRetired === true;
  }

  #open(socket: Socket, isTls: boolean): void {
    const network = this.#networkOf(socket);
    const own = network === undefined ? undefined : (this.#byNetwork.get(network) ?? new Pool());
    const isWithin =
      (own === undefined || makeRoom(own, this.#limits.connectionsPerAddressMax)) &&
      makeRoom(this.#all, this.#limits.connectionsMax);
    if (!isWithin) {
      socket.destroy();
      return;
    }
    if (network !== undefined && own !== undefined) this.#byNetwork.set(network, own);
    const pools = own === undefined ? [this.#all] : [this.#all, own];
    const connection: Connection = {
      socket,
      channel: socket,
      isSecured: !isTls,
      requests: 0,
      isUsed: false,
      isRetired: false,
      pools,
      cancelDeadline: this.#limits.clock.after(this.#limits.firstRequestTimeoutMs, () => this.#end(connection)),
    };
    const peer = peerOf(socket);
    this.#bySocket.set(socket, connection);
    this.#byPeer.set(peer, connection);
    for (const pool of pools) pool.put(connection);
    socket.once('close', () => {
      connection.cancelDeadline();
      for (const pool of pools) pool.remove(connection);
      if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
      if (network !== undefined && own?.size === 0 && this.#byNetwork.get(network) === own)
        this.#byNetwork.delete(network);
    });
  }

  #networkOf(socket: Socket): string | undefined {
    return this.#limits.isUncounted(socket.remoteAddress) ? undefined : remoteNetworkOf(socket);
  }

  #secure(channel: Socket): void {
    const connection = this.#byPeer.get(peerOf(channel));
    if (connection === undefined) return;
    connection.channel = channel;
    connection.isSecured = true;
    this.#bySocket.set(channel, connection);
    channel.once('close', () => connection.socket.destroy());
  }

  #use({ socket }: IncomingMessage, response: ServerResponse): void {
    const connection = this.#bySocket.get(socket);
    if (connection === undefined) return;
    const count = (change: 1 | -1) => {
      connection.requests += change;
      if (!connection.socket.destroyed) for (const pool of connection.pools) pool.put(connection);
    };
    connection.isUsed = true;
    connection.cancelDeadline();
    count(1);
    response.once('close', () => count(-1));
  }

  #end(connection: Connection): void {
    if (connection.isSecured) this.#onLate(connection.channel);
    else close(connection);
  }
}

/** Makes room for one more connection if possible. @returns whether there is room */
function makeRoom(pool: Pool, max: number): boolean {
  if (pool.size < max) return true;
  const { mostDispensable } = pool;
  if (mostDispensable === undefined) return false;
  close(mostDispensable);
  // Its `close` event comes later, but its place is free now.
  for (const each of mostDispensable.pools) each.remove(mostDispensable);
  return true;
}

function close({ channel, socket }: Connection): void {
  channel.destroy();
  socket.destroy();
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
