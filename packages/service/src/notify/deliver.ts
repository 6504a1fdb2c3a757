import { FINANCIAL_ID_HEADER, INTERACTION_ID_HEADER, SET_MEDIA_TYPE } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Outcome } from '../base/outcome.ts';
import type { CallbackClient, Exchange } from '../net/callback-client.ts';
import type { Attempt } from '../store/store.ts';
import { retryAfterMs } from './retry-after.ts';

/** What one POST needs. */
export interface Delivery {
  readonly callbackUrl: string;
  readonly set: string;
  /** Fresh for this exchange. */
  readonly interactionId: string;
  readonly financialId: string | undefined;
  readonly abort: AbortSignal;
}

/** POSTs a SET to the callback URL, exactly as registered (rules, section 4), and says what came of it. */
export async function deliver(delivery: Delivery, client: CallbackClient, clock: Clock): Promise<Attempt> {
  const { callbackUrl, set, interactionId, financialId, abort } = delivery;
  const headers = {
    'content-type': SET_MEDIA_TYPE,
    [INTERACTION_ID_HEADER]: interactionId,
    ...(financialId !== undefined && { [FINANCIAL_ID_HEADER]: financialId }),
  };
  const startedAtMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const exchange = await client.post(callbackUrl, headers, set, abort);
  const durationMs = clock.monotonicMs() - beganMs;
  return { startedAtMs, durationMs, interactionId, callbackUrl, outcome: outcomeOf(exchange, interactionId, clock) };
}

function outcomeOf(exchange: Exchange, interactionId: string, clock: Clock): Outcome {
  if (exchange.kind === 'unreachable') return exchange;
  const { status, header } = exchange;
  if (status === 202) {
    return { kind: 'acknowledged', status, interactionIdEchoed: header(INTERACTION_ID_HEADER) === interactionId };
  }
  const asked = status === 429 || status === 503 ? retryAfterMs(header('retry-after'), clock.nowMs()) : undefined;
  return { kind: 'refused', status, ...(asked !== undefined && { retryAfterMs: asked }) };
}
