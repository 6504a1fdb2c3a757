import type { SigningProviderFault } from '@tidings/protocol';

// Messages between the service and the process that has the module's library.

/** Asks to find a key; connects and logs in if necessary. */
export interface OpenRequest {
  readonly id: number;
  readonly kind: 'open';
  readonly libraryFile: string;
  readonly tokenLabel: string;
  readonly pin: string;
  readonly key: string;
}

/** Asks for a signature of a SHA-256 digest, with a key that was opened. */
export interface SignRequest {
  readonly id: number;
  readonly kind: 'sign';
  readonly key: string;
  readonly digest: Uint8Array;
}

/** The answer to a request. */
export type Reply =
  | { readonly id: number; readonly kind: 'opened'; readonly modulus: Uint8Array; readonly publicExponent: Uint8Array }
  | { readonly id: number; readonly kind: 'signed'; readonly signature: Uint8Array }
  | {
      readonly id: number;
      readonly kind: 'failed';
      readonly fault: SigningProviderFault;
      readonly message: string;
      /** The PIN was refused: another attempt with it could lock the token. */
      readonly isPinRefused: boolean;
    };
