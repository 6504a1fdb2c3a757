export type { AccessToken } from './bank/access-tokens.ts';
export { type BankClient, type BankClientOptions, type ClientTransport, createBankClient } from './bank/bank-client.ts';
export { BankError, type BankErrorContext, type BankErrorDetail, type BankErrorKind } from './bank/bank-error.ts';
export type { BankExchange, BankIdentity } from './bank/bank-http.ts';
export type { EventSubscriptions, NewEventSubscription } from './bank/event-subscriptions.ts';
export type { FetchedResource, ResourceTarget } from './bank/resources.ts';
export { RemoteKeysError, type RemoteKeysOptions, remoteKeys } from './net/remote-keys.ts';
export {
  createTlsFetch,
  type TlsFetch,
  TlsFetchError,
  type TlsFetchErrorCode,
  type TlsFetchOptions,
  type TlsRequest,
  type TlsTransport,
} from './net/tls-fetch.ts';
export type { EventNotification } from './receiver/event-notification.ts';
export { nodeListener } from './receiver/node-listener.ts';
export { createReceiver, type Receiver, type ReceiverOptions } from './receiver/receiver.ts';
export { REFUSALS, type Refusal, type RefusalCode } from './receiver/refusals.ts';
export { createMemorySeenStore, type SeenStore } from './receiver/seen-store.ts';
