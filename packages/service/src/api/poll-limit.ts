import type { Socket } from 'node:net';

/** The slot of a poll. Each method may be called at any time and repeatedly. */
export interface PollSlot {
  /** The poll is held: while it waits it counts only as a long poll. */
  hold(): void;
  /** The poll is being answered again. */
  resume(): void;
  /** The response has been read, or the connection is gone. */
  leave(): void;
}

/**
 * Bounds how many polls of one TPP are answered at once, from the request until the response has been sent. One TPP thus
 * gets no more than its share of reading and signing, and few of its unread responses are buffered. Held long polls are
 * counted separately (`LongPolls`); a woken one counts here again, even beyond the bound.
 */
export class PollLimit {
  readonly #perTppMax: number;
  readonly #answering = new Map<string, number>();

  constructor(perTppMax: number) {
    this.#perTppMax = perTppMax;
  }

  /** @returns undefined if the TPP has reached its limit */
  enter(clientId: string): PollSlot | undefined {
    if ((this.#answering.get(clientId) ?? 0) >= this.#perTppMax) return undefined;
    let state: 'answering' | 'held' | 'left' = 'answering';
    this.#add(clientId, 1);
    const become = (next: typeof state) => {
      if (state === 'left' || state === next) return;
      if (state === 'answering') this.#add(clientId, -1);
      if (next === 'answering') this.#add(clientId, 1);
      state = next;
    };
    return { hold: () => become('held'), resume: () => become('answering'), leave: () => become('left') };
  }

  #add(clientId: string, change: number): void {
    const count = (this.#answering.get(clientId) ?? 0) + change;
    if (count === 0) this.#answering.delete(clientId);
    else this.#answering.set(clientId, count);
  }
}

const callbacksOf = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once when the connection of a request ends. The event `close` of a request or response does not report that
 * for requests that were pipelined behind another. There is one listener per connection, however many callbacks it has.
 *
 * @returns cancels the callback
 */
export function onConnectionEnd(socket: Socket, callback: () => void): () => void {
  if (socket.destroyed) {
    callback();
    return () => undefined;
  }
  const callbacks = callbacksOf.get(socket) ?? listenOnce(socket);
  callbacks.add(callback);
  return () => callbacks.delete(callback);
}

function listenOnce(socket: Socket): Set<() => void> {
  const callbacks = new Set<() => void>();
  callbacksOf.set(socket, callbacks);
  socket.once('close', () => {
    for (const callback of callbacks) callback();
  });
  return callbacks;
}
