import { importSigningKeys, parseStrictJson, type SigningKeySet } from '@tidings/protocol';
import type { WireClient, WireScope } from './wire.ts';

const HTTP_OK = 200;

/** The JWKS of the bank; fetched again when a `kid` is unknown, at most once a check. */
export class BankKeys {
  readonly #url: string;
  readonly #http: WireClient;
  readonly #timeoutMs: number;
  #keys: SigningKeySet | undefined;

  constructor(url: string, http: WireClient, timeoutMs: number) {
    this.#url = url;
    this.#http = http;
    this.#timeoutMs = timeoutMs;
  }

  /** A source of keys that fetches over the connections of one check. */
  within(wire: WireScope): Pick<SigningKeySet, 'keyFor'> {
    let isFresh = false;
    return {
      keyFor: async (kid) => {
        const known = await this.#keys?.keyFor(kid);
        if (known !== undefined || isFresh) return known;
        isFresh = true;
        this.#keys = await this.fetch(wire);
        return await this.#keys.keyFor(kid);
      },
    };
  }

  /** @throws {Error} when there is no JWKS */
  async fetch(wire: WireScope): Promise<SigningKeySet> {
    const headers = [['accept', 'application/jwk-set+json, application/json']] as const;
    const answer = await this.#http.send(this.#url, { method: 'GET', headers, timeoutMs: this.#timeoutMs }, wire);
    if (answer.status !== HTTP_OK) throw new Error(`The JWKS of the bank was answered with status ${answer.status}.`);
    return await importSigningKeys(parseStrictJson(answer.body));
  }
}
