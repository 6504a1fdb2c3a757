import type { EventNotification } from '../notification/event-notification.ts';
import { createMemorySeenStore } from '../notification/seen-store.ts';
import type { SetVerification } from '../notification/set-verifier.ts';
import { createReceiver, type Receiver } from '../receiver/receiver.ts';
import type { Refusal } from '../receiver/refusals.ts';
import { type Finding, inspectToken } from './inspect.ts';

/** The outcome of one request. */
export type Delivered = { readonly atMs: number; readonly status: number; readonly interactionId: string } & (
  | { readonly outcome: 'notification'; readonly notification: EventNotification }
  /** Acknowledged again. */
  | { readonly outcome: 'duplicate' }
  /** `findings`: what the token breaks, member by member; empty when there is no token. */
  | { readonly outcome: 'refused'; readonly refusal: Refusal; readonly findings: readonly Finding[] }
);

const TOKEN_CHARS_MAX = 131_072;

/** Creates a receiver that shows what each request came to. Remembers the last 100 000 notifications. */
export function createDeliveries(
  verification: SetVerification,
  nowMs: () => number,
  show: (delivered: Delivered) => void,
): Receiver {
  const seen = createMemorySeenStore();
  return {
    handle: async (request) => {
      const { copy, text } = recorded(request);
      let notification: EventNotification | undefined;
      let refusal: Refusal | undefined;
      // A receiver for each request, so that what it tells is known to be about this one.
      const receiver = createReceiver({
        ...verification,
        ...{ seen, now: nowMs },
        onNotification: (each) => {
          notification = each;
        },
        onRefused: (each) => {
          refusal = each;
        },
      });
      const response = await receiver.handle(copy);
      const interactionId = response.headers.get('x-fapi-interaction-id') ?? '';
      const common = { atMs: nowMs(), status: response.status, interactionId };
      if (refusal !== undefined) {
        const findings = await brokenRules(text(), verification, nowMs() / 1000);
        show({ ...common, outcome: 'refused', refusal, findings });
      } else if (notification === undefined) show({ ...common, outcome: 'duplicate' });
      else show({ ...common, outcome: 'notification', notification });
      return response;
    },
  };
}

/** The request, of which the body is kept while it is read. */
function recorded(request: Request): { copy: Request; text(): string } {
  const decoder = new TextDecoder();
  let text = '';
  if (request.body === null) return { copy: request, text: () => text };
  const recorder = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      if (text.length <= TOKEN_CHARS_MAX) text += decoder.decode(chunk, { stream: true });
      controller.enqueue(chunk);
    },
  });
  const { url, method, headers } = request;
  const body = request.body.pipeThrough(recorder);
  return { copy: new Request(url, { method, headers, body, duplex: 'half' }), text: () => text };
}

async function brokenRules(token: string, expected: SetVerification, nowSeconds: number): Promise<readonly Finding[]> {
  if (token.split('.').length !== 3) return [];
  const { findings } = await inspectToken(token, { ...expected, nowSeconds });
  return findings.filter(({ verdict }) => verdict === 'wrong');
}
