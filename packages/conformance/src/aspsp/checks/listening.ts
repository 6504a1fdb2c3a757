import type { AspspContext } from '../context.ts';
import { fail } from '../expect.ts';
import type { CallbackEndpoint, Delivery } from '../receiver.ts';

/**
 * Gives the first client an event subscription with a callback URL of the runner alone, and acknowledges what earlier checks
 * have left.
 *
 * @throws {Skipped} where the bank sends nothing in real time, or no event can be made
 */
export async function listening(
  context: AspspContext,
  { endpoint = context.receiver() }: { readonly endpoint?: CallbackEndpoint } = {},
): Promise<CallbackEndpoint> {
  context.requireEvents();
  await context.first.clear();
  const Version = context.registrationVersion;
  await context.first.create('event-subscriptions', { CallbackUrl: endpoint.url, Version });
  if (context.config.features.polling) await context.drain(context.first);
  endpoint.forget();
  return endpoint;
}

/** The first delivery of an event that was made. @throws {Failure} when none comes in time */
export async function expectSent(context: AspspContext, endpoint: CallbackEndpoint): Promise<Delivery> {
  const { eventMs } = context.config.timing;
  await endpoint.untilCount(1, eventMs);
  return endpoint.deliveries[0] ?? fail(`a delivery within ${eventMs / 1000} s`, 'none');
}
