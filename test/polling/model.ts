import type { Version } from '../support/answers.ts';
import type { Resource } from '../support/tpp.ts';

/** What the API is expected to do, in as few words as it can be said. Time passes in ticks. */

/** A notification is withheld for so many ticks after it was offered, or reported as an error. */
export const WITHHELD_TICKS = { offered: 1, error: 2 } as const;

interface ModelNotification {
  readonly jti: string;
  state: 'awaiting' | 'acknowledged' | 'withdrawn';
  /** The first tick at which it may be offered. */
  offerAtTick: number;
}

interface ModelRegistration {
  readonly id: string;
  madeThrough: Version;
}

/** One TPP as the model sees it. */
export class ModelTpp {
  readonly registrations: Partial<Record<Resource, ModelRegistration>> = {};
  readonly notifications: ModelNotification[] = [];

  /** What GET lists: a registration of v4.0 is not read through v3.1. */
  listed(resource: Resource, through: Version): string[] {
    const found = this.registrations[resource];
    return found === undefined || isNewer(found.madeThrough, through) ? [] : [found.id];
  }

  /** What PUT or DELETE of its own registration is answered with. */
  changeStatus(resource: Resource, through: Version, good: 200 | 204): number {
    const found = this.registrations[resource];
    if (found === undefined) return 400;
    return isNewer(found.madeThrough, through) ? 403 : good;
  }

  /** Deleting the registration that holds withdraws what is awaiting. */
  delete(resource: Resource): void {
    const held = this.registrations['event-subscriptions'] === undefined ? 'callback-urls' : 'event-subscriptions';
    delete this.registrations[resource];
    if (resource !== held) return;
    for (const notification of this.notifications) {
      if (notification.state === 'awaiting') notification.state = 'withdrawn';
    }
  }

  /** Acknowledges, reports, then offers. @returns what is expected of the answer; undefined: 403 */
  poll(poll: { ack: readonly string[]; errors: readonly string[]; maxEvents: number }, tick: number) {
    if (this.registrations['event-subscriptions'] === undefined) return undefined;
    const awaiting = () => this.notifications.filter(({ state }) => state === 'awaiting');
    for (const notification of awaiting()) if (poll.ack.includes(notification.jti)) notification.state = 'acknowledged';
    for (const notification of awaiting()) {
      if (poll.errors.includes(notification.jti)) notification.offerAtTick = tick + WITHHELD_TICKS.error;
    }
    const offerable = awaiting().filter(({ offerAtTick }) => offerAtTick <= tick);
    const offered = offerable.slice(0, poll.maxEvents);
    for (const notification of offered) notification.offerAtTick = tick + WITHHELD_TICKS.offered;
    return { jtis: offered.map(({ jti }) => jti), moreAvailable: offerable.length > offered.length };
  }
}

/** The model of the whole. */
export interface Model {
  tick: number;
  readonly tpps: readonly [ModelTpp, ModelTpp];
}

function isNewer(made: Version, through: Version): boolean {
  return made === 'v4.0' && through === 'v3.1';
}
