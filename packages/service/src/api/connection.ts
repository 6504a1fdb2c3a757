import type { Socket } from 'node:net';

const callbacksOf = new WeakMap<Socket, Set<() => void>>();

/**
 * Calls back once when the connection of a request ends, which `close` of a request or answer does not tell of requests
 * that were pipelined behind another. One listener per connection, however many wait for its end.
 *
 * @returns takes it back
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
