import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type CreateSigningProvider,
  isJsonObject,
  type ProviderKey,
  parseStrictJson,
  type SigningProvider,
  SigningProviderError,
  StrictJsonError,
} from '@tidings/protocol';
import { Agent, request } from 'undici';

/** The section `signing.vault` of the service's configuration. */
export interface VaultSettings {
  readonly url: string;
  /** Path of the transit secrets engine. */
  readonly mount: string;
  readonly namespace?: string | undefined;
  readonly tokenFile: string;
  readonly caFile?: string | undefined;
  readonly concurrencyMax: number;
}

/** Makes a provider whose keys are those of a transit engine, by `name/version`, or `name` for the latest version. */
export const createProvider: CreateSigningProvider<VaultSettings> = (settings) => new VaultProvider(settings);

class VaultProvider implements SigningProvider {
  readonly #settings: VaultSettings;
  readonly #agent: Agent;

  constructor(settings: VaultSettings) {
    const { caFile, concurrencyMax } = settings;
    this.#settings = settings;
    this.#agent = new Agent({
      connect: { rejectUnauthorized: true, ...(caFile !== undefined && { ca: readFileSync(caFile, 'utf8') }) },
      connections: concurrencyMax,
    });
  }

  async openKey(key: string, signal: AbortSignal): Promise<ProviderKey> {
    const [name = '', wanted] = key.split('/');
    const found = await this.#call('GET', `keys/${encodeURIComponent(name)}`, undefined, signal);
    const version = wanted ?? String(found['latest_version']);
    const versions = isJsonObject(found['keys']) ? found['keys'] : {};
    const entry = versions[version];
    const pem = isJsonObject(entry) ? entry['public_key'] : undefined;
    if (typeof pem !== 'string' || !pem.includes('PUBLIC KEY')) {
      throw new SigningProviderError('denied', `the key ${name} has no version ${version} with a public key`);
    }
    return {
      publicKeyPem: createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString(),
      sign: (input, signing) => this.#sign(name, Number(version), input, signing),
    };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #sign(name: string, version: number, input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const body = {
      input: Buffer.from(input).toString('base64'),
      key_version: version,
      hash_algorithm: 'sha2-256',
      signature_algorithm: 'pss',
      salt_length: 'hash',
    };
    const { signature } = await this.#call('POST', `sign/${encodeURIComponent(name)}`, body, signal);
    const encoded = typeof signature === 'string' ? /^vault:v\d+:([\w+/=]+)$/.exec(signature)?.[1] : undefined;
    if (encoded === undefined) throw new SigningProviderError('unavailable', 'Vault returned no signature');
    return Buffer.from(encoded, 'base64');
  }

  /** @returns `data` of the answer */
  async #call(method: 'GET' | 'POST', path: string, body: object | undefined, signal: AbortSignal) {
    const { url, mount, namespace } = this.#settings;
    const headers = {
      'x-vault-token': this.#readToken(),
      ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const sent = body === undefined ? null : JSON.stringify(body);
    const to = `${url.replace(/\/$/, '')}/v1/${mount}/${path}`;
    const options = { method, headers, body: sent, signal, dispatcher: this.#agent };
    const { answer, bytes } = await exchange(to, options).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new SigningProviderError('unavailable', `Vault does not answer: ${why}`, { cause: error });
    });
    if (answer.statusCode === 200) return dataOf(bytes);
    const why = `Vault answered ${answer.statusCode}`;
    const after = answer.headers['retry-after'];
    if (answer.statusCode === 429) {
      const seconds = typeof after === 'string' && /^\d{1,4}$/.test(after) ? Number(after) : undefined;
      throw new SigningProviderError('throttled', why, { retryAfterMs: seconds && 1000 * seconds });
    }
    // 412 and 5xx: not ready, sealed or a standby.
    const isRefusal = [400, 403, 404, 405].includes(answer.statusCode);
    throw new SigningProviderError(isRefusal ? 'denied' : 'unavailable', why);
  }

  #readToken(): string {
    const { tokenFile } = this.#settings;
    try {
      return readFileSync(tokenFile, 'utf8').trim();
    } catch (error) {
      throw new SigningProviderError('denied', `the file of the token, ${tokenFile}, cannot be read`, { cause: error });
    }
  }
}

async function exchange(url: string, options: Parameters<typeof request>[1] & { dispatcher: Agent }) {
  const { dispatcher } = options;
  const answer = await request(url, { ...options, dispatcher });
  return { answer, bytes: await answer.body.bytes() };
}

function dataOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const parsed = parseStrictJson(bytes);
    if (isJsonObject(parsed) && isJsonObject(parsed['data'])) return parsed['data'];
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error;
  }
  throw new SigningProviderError('unavailable', 'Vault gave an answer without "data"');
}
