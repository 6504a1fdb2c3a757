import type { Dispatcher } from 'undici';
import type { UnreachableClass } from '../model/attempt.ts';
import { classifyFailure } from './failure.ts';

/** The result of one POST: an answer of any status, or none. */
export type Exchange =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly header: (name: string) => string | undefined;
      /** The body of a 400, which may say why the SET was refused (RFC 8935 section 2.3); undefined of other answers. */
      readonly errorBody?: Uint8Array | undefined;
    }
  | { readonly kind: 'unreachable'; readonly errorClass: UnreachableClass; readonly detail: string };

type Controller = Dispatcher.DispatchController;
type Headers = Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];

const FINAL_STATUS_MIN = 200;
const BAD_REQUEST = 400;
// An error code and its description take a few hundred bytes.
const ERROR_BODY_BYTES_MAX = 4096;

/**
 * Handler of one POST for undici. The answer is the status. The body is read up to a limit and without decompression, so
 * that the connection can be reused; one beyond the limit closes the connection. Only the body of a 400 is kept, up to
 * 4,096 bytes.
 *
 * It uses undici's `dispatch`, which is cheaper than `request`: no stream is made for bodies that nobody reads.
 */
export class OnePost implements Dispatcher.DispatchHandler {
  readonly #bodyBytesMax: number;
  readonly #settle: (exchange: Exchange) => void;
  #controller: Controller | undefined;
  #answer: Exchange | undefined;
  #bodyBytes = 0;
  /** The body of a 400 so far; undefined when it is not kept. */
  #errorBody: Buffer[] | undefined;
  #isOver = false;

  /** @param settle called once, with the result */
  constructor(bodyBytesMax: number, settle: (exchange: Exchange) => void) {
    this.#bodyBytesMax = bodyBytesMax;
    this.#settle = settle;
  }

  /** Ends the exchange now, with this result unless it was answered. A request without a connection is never sent. */
  giveUp(exchange: Exchange): void {
    if (this.#isOver) return;
    this.#end(exchange);
    this.#controller?.abort(new Error('given up'));
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error('given up'));
  }

  onResponseStart(_: Controller, status: number, headers: Headers): void {
    // After an informational response another follows.
    if (status < FINAL_STATUS_MIN) return;
    this.#answer = { kind: 'answered', status, header: (name) => single(headers[name]) };
    if (status === BAD_REQUEST) this.#errorBody = [];
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > ERROR_BODY_BYTES_MAX) this.#errorBody = undefined;
    this.#errorBody?.push(chunk);
    if (this.#bodyBytes <= this.#bodyBytesMax || this.#isOver) return;
    controller.abort(new Error('the body is too long'));
  }

  onResponseEnd(): void {
    this.#end({ kind: 'unreachable', errorClass: 'malformed', detail: 'NO_STATUS' });
  }

  onResponseError(_: Controller, error: Error): void {
    if (!this.#isOver) this.#end({ kind: 'unreachable', ...classifyFailure(error) });
  }

  #end(exchange: Exchange): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const answer = this.#answer;
    const hasErrorBody = answer?.kind === 'answered' && this.#errorBody !== undefined;
    this.#settle(hasErrorBody ? { ...answer, errorBody: Buffer.concat(this.#errorBody ?? []) } : (answer ?? exchange));
  }
}

/** A header that occurs twice is ignored. */
function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
