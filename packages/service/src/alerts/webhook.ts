import { createHmac } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { type HttpsClient, HttpsError } from '../net/https-client.ts';
import type { Channel, SendResult } from './channel.ts';
import { type Message, typeOf } from './message.ts';

export interface WebhookOptions {
  readonly url: string;
  /** Each signs; more than one while secrets are changed. */
  readonly secrets: readonly Uint8Array[];
  readonly https: HttpsClient;
  readonly clock: Pick<Clock, 'nowMs'>;
}

const ACCEPTED_MIN = 200;
const ACCEPTED_MAX = 299;

/**
 * Posts messages as JSON, signed as Standard Webhooks 1.0 says: `webhook-id`, which is the same at each attempt,
 * `webhook-timestamp`, and `webhook-signature`, the HMAC-SHA256 of both and the body.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function createWebhook({ url, secrets, https, clock }: WebhookOptions): Channel {
  return {
    close: () => https.close(),
    send: async (sendingId, messages) => {
      const timestamp = String(Math.floor(clock.nowMs() / 1000));
      const body = webhookBody(messages, clock.nowMs());
      return post(https, {
        url,
        body,
        headers: {
          'content-type': 'application/json',
          'webhook-id': sendingId,
          'webhook-timestamp': timestamp,
          'webhook-signature': signaturesOf(secrets, `${sendingId}.${timestamp}.${body}`),
        },
      });
    },
  };
}

function signaturesOf(secrets: readonly Uint8Array[], content: string): string {
  return secrets.map((secret) => `v1,${createHmac('sha256', secret).update(content).digest('base64')}`).join(' ');
}

/** The JSON of a webhook. Pure. One message: its type and the alert; more: `several`, with a list. */
function webhookBody(messages: readonly Message[], nowMs: number): string {
  const alerts = messages.map((message) => {
    const { alertId, alertKind, kind, subject, title, why, sinceMs, clearedAtMs, facts, command, ...links } = message;
    return {
      ...{ id: alertId, kind: alertKind, state: kind === 'recovered' ? 'over' : 'open', subject, title, why },
      since: new Date(sinceMs).toISOString(),
      ...(clearedAtMs !== undefined && { until: new Date(clearedAtMs).toISOString() }),
      ...{ facts, command, ...links },
    };
  });
  const data = alerts.length === 1 ? alerts[0] : { alerts };
  return JSON.stringify({ type: typeOf(messages), timestamp: new Date(nowMs).toISOString(), data });
}

/** Posts once. Any 2xx is an acceptance; redirects are not followed. */
export async function post(
  https: Pick<HttpsClient, 'exchange'>,
  request: { readonly url: string; readonly body: string; readonly headers: Readonly<Record<string, string>> },
): Promise<SendResult> {
  try {
    const { status } = await https.exchange(request);
    if (status >= ACCEPTED_MIN && status <= ACCEPTED_MAX) return { kind: 'sent' };
    return { kind: 'failed', error: `it answered with status ${status}` };
  } catch (error) {
    if (!(error instanceof HttpsError)) throw error;
    return { kind: 'failed', error: error.message };
  }
}
