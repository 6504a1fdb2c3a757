// What the simulation in test/sim is made of. These are insides of the service, and no part of what the package offers
// to others by name.

export { pino } from 'pino';
export type { Clock } from '../../src/base/clock.ts';
export type { Outcome, UnreachableClass } from '../../src/base/outcome.ts';
export type { Random } from '../../src/base/random.ts';
export type { CallbackClient, Exchange } from '../../src/net/callback-client.ts';
export { Engine, type EngineOptions } from '../../src/notify/engine.ts';
export { createPublisher, type Publish } from '../../src/notify/publish.ts';
export { openSqliteStore } from '../../src/store/sqlite/sqlite-store.ts';
export * from '../../src/store/store.ts';
export { SigningQueue } from '../../src/trust/signing-queue.ts';
