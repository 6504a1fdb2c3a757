import { FINANCIAL_ID_HEADER, INTERACTION_ID_HEADER, retryAfterMs, SET_MEDIA_TYPE } from '@tidings/protocol';
import type { Clock } from '../base/clock.ts';
import type { Attempt, Outcome } from '../model/attempt.ts';
import type { CallbackClient, Exchange } from '../net/callback-client.ts';

// Of what a TPP returns in place of the echo, enough to see what it was.
const INTERACTION_ID_CHARACTERS_MAX = 64;

/** Content and context of one POST. */
export interface Delivery {
  readonly clientId: string;
  readonly callbackUrl: string;
  readonly set: string;
  /** Fresh for this exchange. */
  readonly interactionId: string;
  readonly financialId: string | undefined;
  readonly abort: AbortSignal;
}

/** POSTs a SET to the callback URL, exactly as registered (rules, section 4), and says what came of it. */
export async function deliver(delivery: Delivery, client: CallbackClient, clock: Clock): Promise<Attempt> {
  const { clientId, callbackUrl, set, interactionId, financialId, abort } = delivery;
  const headers = {
    'content-type': SET_MEDIA_TYPE,
    [INTERACTION_ID_HEADER]: interactionId,
    ...(financialId !== undefined && { [FINANCIAL_ID_HEADER]: financialId }),
  };
  const startedAtMs = clock.nowMs();
  const beganMs = clock.monotonicMs();
  const exchange = await client.post({ clientId, url: callbackUrl, headers, body: set }, abort);
  const durationMs = clock.monotonicMs() - beganMs;
  return { startedAtMs, durationMs, interactionId, callbackUrl, outcome: outcomeOf(exchange, interactionId, clock) };
}

function outcomeOf(exchange: Exchange, interactionId: string, clock: Clock): Outcome {
  if (exchange.kind === 'unreachable') return exchange;
  const { status, header } = exchange;
  if (status === 202) {
    const returned = header(INTERACTION_ID_HEADER);
    if (returned === interactionId) return { kind: 'acknowledged', status, interactionIdEchoed: true };
    const interactionIdReturned = returned?.slice(0, INTERACTION_ID_CHARACTERS_MAX);
    return {
      ...{ kind: 'acknowledged', status, interactionIdEchoed: false },
      ...(interactionIdReturned !== undefined && { interactionIdReturned }),
    };
  }
  const asked = status === 429 || status === 503 ? retryAfterMs(header('retry-after'), clock.nowMs()) : undefined;
  return { kind: 'refused', status, ...(asked !== undefined && { retryAfterMs: asked }) };
}
