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
  /** Responds to every delivery with this status, until called with undefined. */
  failAll(status: number | undefined): void;
  readonly answers: readonly GivenAnswer[];
}

const ANSWERS_MAX = 1000;
// The body of a refusal (RFC 8935 section 2.3).
const REHEARSED_ERROR = {
  err: 'authentication_failed',
  description: 'The sample TPP pretends that it could not verify the signature.',
};

/**
 * Puts rehearsed failures in front of a receiver, to demonstrate the bank's retries. Unless `failAll` is in force, only
 * notifications named in `failFirst` are affected; all others go straight to the receiver.
 */
export function rehearseFailures(receiver: Receiver): RehearsedReceiver {
  const planned = new Map<string, number[]>();
  const answers: GivenAnswer[] = [];
  let statusOfAll: number | undefined;
  const note = (answer: GivenAnswer) => {
    answers.push(answer);
    if (answers.length > ANSWERS_MAX) answers.shift();
  };
  return {
    answers,
    failFirst: (transactionId, statuses) => {
      planned.set(transactionId, [...statuses]);
    },
    failAll: (status) => {
      statusOfAll = status;
    },
    handle: async (request) => {
      const transactionId = unverifiedTransactionId(await request.clone().text());
      const status = statusOfAll ?? planned.get(transactionId)?.shift();
      if (status !== undefined) {
        note({ transactionId, status, rehearsed: true });
        const interactionId = interactionIdOf(request.headers.get(INTERACTION_ID_HEADER), randomUUID);
        const headers = { [INTERACTION_ID_HEADER]: interactionId };
        return status === 400
          ? Response.json(REHEARSED_ERROR, { status, headers })
          : new Response(null, { status, headers });
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
