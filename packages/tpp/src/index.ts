/** The parts of the protocol that a TPP needs, so that one package is enough. */
export {
  ACCOUNT_LINKED_ACCOUNT_UPDATE,
  CONSENT_ACCESS_REVOKED,
  CONSENT_AUTHORIZATION_REVOKED,
  createSigner,
  type EventContent,
  type EventSubscription,
  importSigningKeys,
  JwksError,
  type JwsSigner,
  type KeySource,
  RESOURCE_UPDATE,
  type ResourceLink,
  type SetClaims,
  type SignerIdentity,
  SigningKeyError,
  VRP_LINKED_ACCOUNT_UPDATE,
} from '@tidings/protocol';
export type { AccessToken } from './bank/access-tokens.ts';
export {
  type BankClient,
  type BankClientOptions,
  type BankCredentials,
  type ClientTransport,
  createBankClient,
} from './bank/bank-client.ts';
export { BankError, type BankErrorContext, type BankErrorDetail, type BankErrorKind } from './bank/bank-error.ts';
export type { BankExchange, BankIdentity } from './bank/bank-http.ts';
export type { CallbackUrls, EnsuredCallbackUrl } from './bank/callback-urls.ts';
export type { ClientAuthentication, PrivateKeyJwtAuthentication } from './bank/client-authentication.ts';
export type { EventPolling, PollAnswer, PollLimits, PollRequest } from './bank/event-polling.ts';
export type { EnsuredEventSubscription, EventSubscriptions, NewEventSubscription } from './bank/event-subscriptions.ts';
export type { Ensured } from './bank/registrations.ts';
export type { FetchedResource, ResourceTarget } from './bank/resources.ts';
export { createInbox, type DeadLetter, type DeadLetters, type Inbox } from './inbox/inbox.ts';
export { DeadLetterError, InboxError, type InboxErrorCode } from './inbox/inbox-error.ts';
export type { HandlerContext, InboxFailure, InboxOptions, PrepareContext } from './inbox/inbox-options.ts';
export type {
  AttemptOutcome,
  Claim,
  ClaimedNotification,
  ClaimRequest,
  DeadLetterPage,
  InboxCounts,
  InboxOrder,
  InboxStore,
  NotificationToStore,
  StoredDeadLetter,
} from './inbox/inbox-store.ts';
export type { PostgresClient, PostgresPool, PostgresResult } from './inbox/postgres-pool.ts';
export { openPostgresInboxStore, type PostgresInboxStoreOptions } from './inbox/postgres-store.ts';
export type { SqliteDatabase, SqliteStatement, SqliteValue } from './inbox/sqlite-database.ts';
export { openSqliteInboxStore, type SqliteInboxStoreOptions } from './inbox/sqlite-store.ts';
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
export type { EventNotification } from './notification/event-notification.ts';
export {
  NotificationError,
  type NotificationErrorCode,
  type NotificationErrorContext,
} from './notification/notification-error.ts';
export type {
  AccountLinkedAccountUpdateEvent,
  ConsentAccessRevokedEvent,
  ConsentAuthorizationRevokedEvent,
  LinkedAccountReason,
  NotificationEvent,
  OtherEvent,
  ResourceUpdateEvent,
  VrpLinkedAccountUpdateEvent,
} from './notification/notification-event.ts';
export {
  createNotificationHandler,
  type NotificationHandler,
  type NotificationHandlerOptions,
  type NotificationHandling,
} from './notification/notification-handler.ts';
export type { ProblemLogOptions } from './notification/problem-log.ts';
export { createMemorySeenStore, type SeenStore } from './notification/seen-store.ts';
export type { SetVerification, Tolerance } from './notification/set-verifier.ts';
export { type CatchUpOptions, keepCaughtUp } from './poller/catch-up.ts';
export type { PollOutcome } from './poller/poll-loop.ts';
export { createPoller, type Poller } from './poller/poller.ts';
export type {
  PollerHandling,
  PollerOptions,
  PollerSettings,
  PollFailure,
  RefusedSet,
} from './poller/poller-options.ts';
export type { AdmissionLimits } from './receiver/admission.ts';
export { type LambdaResult, lambdaHandler } from './receiver/lambda-handler.ts';
export { type BankSettings, createMultiBankReceiver, type MultiBankReceiverOptions } from './receiver/multi-bank.ts';
export { nodeListener } from './receiver/node-listener.ts';
export {
  createReceiver,
  type EndpointSettings,
  type Receiver,
  type ReceiverOptions,
  type ReceiverSettings,
} from './receiver/receiver.ts';
export { REFUSALS, type Refusal, type RefusalCode } from './receiver/refusals.ts';
