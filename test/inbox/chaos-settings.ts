/** Faults that can be planted, to see that a run finds them. */
export const FAULTS = ['none', 'answers-first', 'writes-beside'] as const;
export type Fault = (typeof FAULTS)[number];

/** Where the inbox of a run is. */
export type ChaosDatabase =
  | { readonly kind: 'sqlite'; readonly file: string }
  | { readonly kind: 'postgres'; readonly url: string };

/** Settings of one process of a run, passed to it as JSON. */
export interface ChaosSettings {
  readonly database: ChaosDatabase;
  readonly port: number;
  /**
   * `answers-first`: one in five notifications is acknowledged without being stored. `writes-beside`: the handler writes in
   * transactions of its own.
   */
  readonly fault: Fault;
  readonly expected: {
    readonly issuer: string;
    readonly signer: string;
    readonly clientId: string;
    readonly jwk: object;
  };
}
