import { OBEventPollingResponse1, type SetErrorReport, shapeOf } from '@tidings/protocol';
import { readShaped, untrusted } from './bank-answer.ts';
import type { BankHttp, BankRequest } from './bank-http.ts';

/** One poll (`OBEventPolling1`; rules, section 6). */
export interface PollRequest {
  /** Maximum number of SETs to return; 0 only acknowledges. Defaults to the ASPSP's own default. */
  readonly maxEvents?: number | undefined;
  /** False requests a long poll, which an ASPSP need not offer. Default false. */
  readonly returnImmediately?: boolean | undefined;
  /** `jti`s to acknowledge; their SETs are not returned again. */
  readonly ack?: readonly string[] | undefined;
  /** Errors to report. The reported SETs stay awaiting and are returned again. */
  readonly setErrs?: readonly SetErrorReport[] | undefined;
}

/** Limits of one poll. */
export interface PollLimits {
  /**
   * Deadline for the whole exchange; must exceed the time for which the ASPSP holds a long poll. Default: that of the
   * client.
   */
  readonly requestTimeoutMs?: number | undefined;
  /** Maximum body of the response. Default: that of the client. */
  readonly responseBytesMax?: number | undefined;
  /** Aborts the poll, which then rejects as unreachable. */
  readonly signal?: AbortSignal | undefined;
}

/** Response to a poll (`OBEventPollingResponse1`). */
export interface PollAnswer {
  /** Compact JWS by `jti` as stated by the ASPSP, in the order of the response. Neither is verified. */
  readonly sets: ReadonlyMap<string, string>;
  /** Whether further SETs are available now. */
  readonly moreAvailable: boolean;
  /** The interaction id that was sent, for enquiries at the bank. */
  readonly interactionId: string;
}

/** Aggregated polling, one poll per call. */
export interface EventPolling {
  /**
   * Sends `POST /events`. Neither the request nor the response is signed: each SET has its own signature, which the
   * caller verifies. Does not retry. A poll that rejects may have taken effect; repeating its `ack` is harmless.
   *
   * @throws {BankError}
   */
  poll(request?: PollRequest, limits?: PollLimits): Promise<PollAnswer>;
}

const shape = shapeOf(OBEventPollingResponse1);

/** Creates the client of the Aggregated Polling API Profile. @param baseUrl without a trailing slash */
export function createEventPolling(http: BankHttp, baseUrl: string): EventPolling {
  const url = `${baseUrl}/events`;
  return {
    poll: async (request = {}, limits = {}) => {
      const { requestTimeoutMs, responseBytesMax, signal } = limits;
      const body = bodyOf(request);
      const sent: BankRequest = { method: 'POST', url, body, unsigned: true, isRepeatable: true };
      const answer = await http.send({ ...sent, requestTimeoutMs, responseBytesMax, signal });
      const { sets, moreAvailable } = readShaped(answer, shape);
      const entries = Object.entries(sets);
      // The schema does not check a member whose name has a line break.
      if (entries.some(([, set]) => typeof set !== 'string')) throw untrusted(answer, 'has a SET that is not a string');
      return { sets: new Map(entries), moreAvailable, interactionId: answer.interactionId };
    },
  };
}

function bodyOf({ maxEvents, returnImmediately = false, ack = [], setErrs = [] }: PollRequest): object {
  return {
    ...(maxEvents !== undefined && { maxEvents }),
    returnImmediately,
    ...(ack.length > 0 && { ack }),
    ...(setErrs.length > 0 && {
      setErrs: Object.fromEntries(setErrs.map(({ jti, err, description }) => [jti, { err, description }])),
    }),
  };
}
