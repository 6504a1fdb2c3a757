import { randomUUID } from 'node:crypto';
import { decodeBase64url, INTERACTION_ID_HEADER, interactionIdOf, isJsonObject } from '@tidings/protocol';
import type { Receiver } from '@tidings/tpp';

/** One answer of the sample TPP's callback URL. */
export interface GivenAnswer {
  readonly transactionId: string;
  readonly status: number;
  /** True when the answer was given before the receiver saw the request. */
  readonly rehearsed: boolean;
}

/** A receiver that first fails on purpose; see {@link rehearseFailures}. */
export interface RehearsedReceiver extends Receiver {
  /** The notification with this `txn` is answered with these statuses first, one each time it comes. */
  failFirst(transactionId: string, statuses: readonly number[]): void;
  readonly answers: readonly GivenAnswer[];
}

const ANSWERS_MAX = 1000;

/**
 * Puts failures in front of a receiver, to show the retries of the bank. Only notifications that it was told of are
 * concerned: whatever else is delivered meanwhile goes straight to the receiver.
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

/** The `txn` claim of a token that nobody has verified yet: good for choosing a rehearsal, for nothing else. */
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
