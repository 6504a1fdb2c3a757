import type { NotificationErrorCode } from './notification-error.ts';

/** Remedies of the TPP for a notification that was not acknowledged. One or two sentences for its own log. */
export const REMEDIES: Readonly<Record<NotificationErrorCode, string>> = {
  invalid_request:
    'If the request is from your bank, tell it what is wrong with the token. Anybody can send requests to a callback URL, so a few of these are normal.',
  invalid_key:
    'Check that keys is the JWKS of this bank. If it is, the bank has signed with a key that it has not published.',
  invalid_issuer:
    'Compare issuer (the iss claim), signer (iss in the JOSE header) and trustAnchors with what the bank documents. `npx @tidings/tpp inspect TOKEN` shows what a token has.',
  invalid_audience: 'Check that clientId is your client_id at this bank. Otherwise the token is for somebody else.',
  authentication_failed:
    'The token was altered, or is not signed by the bank with the key that it names. If it is from your bank, tell the bank.',
  access_denied: 'Tell the bank: the receiver does not use this code.',
  keys_unavailable:
    'The bank delivers the notification again. Make the URL of the JWKS reachable from here; for a private certificate authority set transport.caPem of remoteKeys.',
  seen_store_failed: 'The bank delivers the notification again. Repair the store that you gave as seen.',
  inbox_failed: 'The bank delivers the notification again. Repair the database of the inbox.',
  handler_behind:
    'The bank delivers the notification again. Look at what the handler fails at or waits for; with an inbox handle more at once (concurrency), without one store the notification and return, or set handlingMax and waitingMax higher.',
  handler_failed:
    'The bank delivers the notification again. Repair onNotification; where a notification can never be handled, put it aside in the handler and return.',
};
