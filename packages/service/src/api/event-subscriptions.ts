import {
  ApiError,
  type ApiVersion,
  type EventSubscription,
  type RegistrationRules,
  readEventSubscription,
  readReplacedEventSubscription,
  writeEventSubscription,
  writeEventSubscriptions,
} from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { ChangeResult, Store, Tpp } from '../store/store.ts';

/** What the operations on event subscriptions need. */
export interface SubscriptionContext {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly rules: RegistrationRules;
  /** Absolute URL of `/event-subscriptions` under the version that was called. */
  readonly url: string;
  /** A change may have made notifications due. */
  readonly onChanged: () => void;
}

/** A body to be sent signed. */
export interface Answer {
  readonly status: 200 | 201;
  readonly body: object;
}

/** POST /event-subscriptions: at most one per TPP. @throws {ApiError} */
export async function createEventSubscription(
  tpp: Tpp,
  body: Uint8Array,
  context: SubscriptionContext,
): Promise<Answer> {
  const request = readEventSubscription(body, context.rules);
  const subscription = { eventSubscriptionId: context.random.uuid(), ...request };
  const result = await context.store.createSubscription(stored(subscription, tpp, context.rules.apiVersion));
  if (result === 'exists') {
    throw new ApiError('RulesResourceAlreadyExists', {
      message: 'An event subscription exists; change it with PUT, or delete it first.',
    });
  }
  return { status: 201, body: writeEventSubscription(subscription, selfOf(subscription, context)) };
}

/** GET /event-subscriptions: a list of zero or one. */
export async function getEventSubscriptions(tpp: Tpp, context: SubscriptionContext): Promise<Answer> {
  const subscription = await context.store.subscriptionOf(tpp.clientId);
  const list = subscription === undefined ? [] : [subscription];
  return { status: 200, body: writeEventSubscriptions(list, context.url) };
}

/** PUT /event-subscriptions/{EventSubscriptionId}: what is awaiting goes to the new callback URL. @throws {ApiError} */
export async function replaceEventSubscription(
  tpp: Tpp,
  id: string,
  body: Uint8Array,
  context: SubscriptionContext,
): Promise<Answer> {
  const subscription = readReplacedEventSubscription(body, id, context.rules);
  const toStore = stored(subscription, tpp, context.rules.apiVersion);
  checkChanged(await context.store.replaceSubscription(toStore, context.clock.nowMs()));
  context.onChanged();
  return { status: 200, body: writeEventSubscription(subscription, selfOf(subscription, context)) };
}

/** DELETE /event-subscriptions/{EventSubscriptionId}: what is awaiting is withdrawn. @throws {ApiError} */
export async function deleteEventSubscription(tpp: Tpp, id: string, context: SubscriptionContext): Promise<void> {
  checkChanged(await context.store.deleteSubscription(tpp.clientId, id));
}

function checkChanged(result: ChangeResult): void {
  if (result === 'of-another-tpp') throw new ApiError('Forbidden', { message: 'the id is another TPP’s' });
  if (result === 'unknown') {
    throw new ApiError('ResourceNotFound', {
      message: 'There is no event subscription with this id.',
      path: 'EventSubscriptionId',
    });
  }
}

function stored(subscription: EventSubscription, tpp: Tpp, apiVersion: ApiVersion) {
  return { ...subscription, clientId: tpp.clientId, apiVersion };
}

function selfOf(subscription: EventSubscription, context: SubscriptionContext): string {
  return `${context.url}/${encodeURIComponent(subscription.eventSubscriptionId)}`;
}
