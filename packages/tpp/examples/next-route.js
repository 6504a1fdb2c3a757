// Next.js: save as app/open-banking/v4.0/event-notifications/route.js
import { myReceiver } from './my-receiver.js';

/** @type {import('@tidings/tpp').Receiver | undefined} */
let receiver;

// Made with the first request: Next.js loads this file while it builds, where there are no settings.
/** @param {Request} request */
export function POST(request) {
  receiver ??= myReceiver();
  return receiver.handle(request);
}
