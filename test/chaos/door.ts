import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** When a connection was disturbed; both ends of the time are `performance.now()`. */
export interface Disturbance {
  readonly fromMs: number;
  readonly toMs: number;
}

/** One connection through a door. */
export interface Passage {
  readonly disturbances: readonly Disturbance[];
}

/** A passage with its two sockets: that of who came, and the one to where it leads. */
class OpenPassage implements Passage {
  readonly disturbances: Disturbance[] = [];
  readonly #ends: readonly [Socket, Socket];
  #stalledUntilMs: number | undefined;

  constructor(outside: Socket, inside: Socket) {
    this.#ends = [outside, inside];
    this.#forward(outside, inside);
    this.#forward(inside, outside);
  }

  #forward(from: Socket, to: Socket): void {
    from.on('data', (chunk) => {
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => {
      if (this.#stalledUntilMs === undefined) from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => undefined);
    from.on('close', () => to.destroySoon());
  }

  /** Ends it at once; what was under way in it is gone. */
  cut(): void {
    const nowMs = performance.now();
    this.disturbances.push({ fromMs: nowMs, toMs: nowMs });
    for (const end of this.#ends) reset(end);
  }

  /** Passes nothing on until then. */
  stall(untilMs: number): void {
    const nowMs = performance.now();
    this.disturbances.push({ fromMs: nowMs, toMs: untilMs });
    if (untilMs <= (this.#stalledUntilMs ?? 0)) return;
    this.#stalledUntilMs = untilMs;
    for (const end of this.#ends) end.pause();
    setTimeout(() => this.#goOn(untilMs), untilMs - nowMs);
  }

  #goOn(untilMs: number): void {
    // A longer stall has begun meanwhile.
    if (this.#stalledUntilMs !== untilMs) return;
    this.#stalledUntilMs = undefined;
    for (const end of this.#ends) end.resume();
  }
}

/**
 * libuv refuses to reset a socket while its writing side is being shut down, and Node.js then never closes it: the descriptor
 * is leaked, and the process spins in its clean-up for ever when it is to exit.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * A TCP proxy on 127.0.0.1 that can be made to cut connections, to pass nothing on for a while, and to take no new ones.
 * It looks at no byte: TLS goes through it.
 */
export class Door {
  readonly #server: Server;
  /** By the port that a connection comes from at where the door leads. */
  readonly #passages = new Map<number, OpenPassage>();
  #stalledUntilMs = 0;
  #shutUntilMs = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target the port that it leads to now; undefined: nowhere, and the connection is reset */
  static async open(target: () => number | undefined): Promise<Door> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const door = new Door(server);
    server.on('connection', (outside) => door.#pass(outside, target()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return door;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the door is closed');
    return address.port;
  }

  /** The open connection that comes from that port, as seen at where the door leads. */
  passageFrom(port: number | undefined): Passage | undefined {
    return this.#passages.get(port ?? 0);
  }

  #pass(outside: Socket, target: number | undefined): void {
    outside.on('error', () => undefined);
    if (target === undefined || performance.now() < this.#shutUntilMs) return void reset(outside);
    const inside = connect({ port: target, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    const passage = new OpenPassage(outside, inside);
    if (performance.now() < this.#stalledUntilMs) passage.stall(this.#stalledUntilMs);
    inside.once('connect', () => {
      const port = inside.localPort ?? 0;
      this.#passages.set(port, passage);
      inside.once('close', () => this.#passages.delete(port));
    });
  }

  /** Cuts one connection. @param choose says which */
  cutOne(choose: <T>(from: readonly T[]) => T | undefined): void {
    choose([...this.#passages.values()])?.cut();
  }

  cutAll(): void {
    for (const passage of this.#passages.values()) passage.cut();
  }

  /** For so long, nothing is passed on, and new connections come to nothing. */
  stall(forMs: number): void {
    this.#stalledUntilMs = performance.now() + forMs;
    for (const passage of this.#passages.values()) passage.stall(this.#stalledUntilMs);
  }

  /** For so long, new connections are reset; those that are open stay. */
  shut(forMs: number): void {
    this.#shutUntilMs = performance.now() + forMs;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cutAll();
    await once(this.#server, 'close');
  }
}
