import type { Message } from './message.ts';

/** The result of a sending. A destination that refuses is data, not an exception. */
export type SendResult =
  | { readonly kind: 'sent' }
  /** `error`: short, for the operator; it holds no secret. */
  | { readonly kind: 'failed'; readonly error: string };

/** A way to a destination. */
export interface Channel {
  /**
   * Sends messages together, once: retries are the caller's.
   *
   * @param sendingId the same for each attempt to send the same messages
   */
  send(sendingId: string, messages: readonly Message[]): Promise<SendResult>;
  /** Ends what is under way. */
  close(): Promise<void>;
}
