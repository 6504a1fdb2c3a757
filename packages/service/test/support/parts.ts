// What the simulation in test/sim is made of. These are insides of the service, and no part of what the package offers
// to others by name.

export { pino } from 'pino';
export type { Clock } from '../../src/base/clock.ts';
export type { Random } from '../../src/base/random.ts';
export type { NextStep, Outcome, UnreachableClass } from '../../src/model/attempt.ts';
export type { BankEvent } from '../../src/model/event.ts';
export type { ClaimedNotification } from '../../src/model/notification.ts';
export type { RetryOverrides, Tpp } from '../../src/model/tpp.ts';
export type { CallbackClient, Exchange } from '../../src/net/callback-client.ts';
export { Engine, type EngineOptions } from '../../src/notify/engine.ts';
export { createPublisher, type Publish } from '../../src/notify/publish.ts';
export { createSetSigner } from '../../src/notify/sign.ts';
export type { AttemptRecord, Claim, DecideFanOut, PublishResult, RecordResult } from '../../src/store/delivery.ts';
export { openSqliteStore } from '../../src/store/sqlite/store.ts';
export { type Store, type StoreChange, StoreError } from '../../src/store/store.ts';
export { SigningQueue } from '../../src/trust/signing-queue.ts';
