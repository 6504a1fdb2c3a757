import type { NotificationRecord, NotificationState } from './notification.ts';

/**
 * The record that is kept of a notification whose content was erased: that the SET with this digest was made, sent and answered, but
 * not what it said. Texts that the TPP chose freely are gone too.
 */
export interface ErasedNotification
  extends Pick<
    NotificationRecord,
    'jti' | 'eventId' | 'clientId' | 'publishedAtMs' | 'acknowledgedAtMs' | 'acknowledgedBy' | 'attempts' | 'errors'
  > {
  readonly state: Exclude<NotificationState, 'awaiting'>;
  readonly settledAtMs: number;
  readonly erasedAtMs: number;
  /** `iss` of the SET. */
  readonly issuer: string;
  /** Undefined: it was never signed, so it was never sent. */
  readonly set: { readonly sha256: string /** The encoded header of the JWS. */; readonly header: string } | undefined;
}
