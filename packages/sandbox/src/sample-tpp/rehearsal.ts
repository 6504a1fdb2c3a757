import { randomUUID } from 'node:crypto';
import { decodeBase64url, INTERACTION_ID_HEADER, interactionIdOf, isJsonObject } from '@tidings/protocol';
import type { Receiver } from '@tidings/tpp';

/** One response of the sample TPP's callback URL. */
export interface GivenAnswer {
  readonly transactionId: string;
  readonly status: number;
  /** True when the response was a rehearsed failure, which the receiver did not see. */
  readonly rehearsed: boolean;
}

/** A receiver that fails on purpose at first; see {@link rehearseFailures}. */
export interface RehearsedReceiver extends Receiver {
  /** Responds to the first deliveries of the notification with this `txn` with these statuses, one each. */
  failFirst(transactionId: string, statuses: readonly number[]): void;
  readonly answers: readonly GivenAnswer[];
}

const ANSWERS_MAX = 1000;

/**
 * Puts rehearsed failures in front of a receiver, to demonstrate the bank's retries. Only notifications named in
 * `failFirst` are affected; all others go straight to the receiver.
 */
export function rehearseFailures(receiver: Receiver): RehearsedReceiver {
  const planned = new Map<string, number[]>();
  const answers: GivenAnswer[] = [];
  const note = (answer: GivenAnswer) => {
    answers.push(answer);
    if (answers.length > ANSWERS_MAX) answers.shift();
  };
  return {
    answers,
    failFirst: (transactionId, statuses) => {
      planned.set(transactionId, [...statuses]);
    },
    handle: async (request) => {
      const transactionId = unverifiedTransactionId(await request.clone().text());
      const status = planned.get(transactionId)?.shift();
      if (status !== undefined) {
        note({ transactionId, status, rehearsed: true });
        const interactionId = interactionIdOf(request.headers.get(INTERACTION_ID_HEADER), randomUUID);
        return new Response(null, { status, headers: { [INTERACTION_ID_HEADER]: interactionId } });
      }
      const response = await receiver.handle(request);
      note({ transactionId, status: response.status, rehearsed: false });
      return response;
    },
  };
}

/** The `txn` claim of an unverified token. To be used only for choosing a rehearsed failure. */
function unverifiedTransactionId(token: string): string {
  const payload = decodeBase64url(token.split('.')[1] ?? '');
  if (payload === undefined) return '';
  try {
    const claims: unknown = JSON.parse(new TextDecoder().decode(payload));
    return isJsonObject(claims) && typeof claims['txn'] === 'string' ? claims['txn'] : '';
  } catch {
    return '';
  }
}
