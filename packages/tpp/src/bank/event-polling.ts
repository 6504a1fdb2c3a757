import { OBEventPollingResponse1, type SetErrorReport, shapeOf } from '@tidings/protocol';
import { readShaped, untrusted } from './bank-answer.ts';
import type { BankHttp, BankRequest } from './bank-http.ts';

/** One poll (`OBEventPolling1`; rules, section 6). */
export interface PollRequest {
  /** Most SETs to be given; 0 acknowledges only. Left out: as many as the ASPSP gives by default. */
  readonly maxEvents?: number | undefined;
  /** False asks for a long poll, which an ASPSP need not offer. Default false. */
  readonly returnImmediately?: boolean | undefined;
  /** `jti`s that need not be offered again. */
  readonly ack?: readonly string[] | undefined;
  /** Errors to report; what is reported stays awaiting. */
  readonly setErrs?: readonly SetErrorReport[] | undefined;
}

/** Limits of one poll. */
export interface PollLimits {
  /** For the whole exchange; a long poll needs more than the ASPSP holds it. Default: that of the client. */
  readonly requestTimeoutMs?: number | undefined;
  /** Longest answer. Default: that of the client. */
  readonly responseBytesMax?: number | undefined;
  /** Ends the poll, which then rejects as unreachable. */
  readonly signal?: AbortSignal | undefined;
}

/** The answer to a poll (`OBEventPollingResponse1`). */
export interface PollAnswer {
  /** Compact JWS by the ASPSP's key, which must be the SET's `jti`, in the order of the answer. Not verified. */
  readonly sets: ReadonlyMap<string, string>;
  /** Whether more are available at once. */
  readonly moreAvailable: boolean;
  /** The interaction id that was sent, to quote to the bank. */
  readonly interactionId: string;
}

/** Aggregated polling, the bare call. */
export interface EventPolling {
  /**
   * `POST /events`, neither signed itself nor answered with a signature: each SET has its own, which is for the caller
   * to verify. Does not repeat; a poll that rejects may have taken effect, and sending its `ack` again does no harm.
   *
   * @returns rejects with `BankError`
   */
  poll(request?: PollRequest, limits?: PollLimits): Promise<PollAnswer>;
}

const shape = shapeOf(OBEventPollingResponse1);

/** Makes the call of the Aggregated Polling API Profile. @param baseUrl without a slash at its end */
export function createEventPolling(http: BankHttp, baseUrl: string): EventPolling {
  const url = `${baseUrl}/events`;
  return {
    poll: async (request = {}, limits = {}) => {
      const { requestTimeoutMs, responseBytesMax, signal } = limits;
      const body = bodyOf(request);
      const sent: BankRequest = { method: 'POST', url, body, unsigned: true };
      const answer = await http.send({ ...sent, requestTimeoutMs, responseBytesMax, signal });
      const { sets, moreAvailable } = readShaped(answer, shape);
      const entries = Object.entries(sets);
      // The shape lets a member through whose name has a line break, whatever its value.
      if (entries.some(([, set]) => typeof set !== 'string')) throw untrusted(answer, 'has a SET that is no text');
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
