import { createHash, createPublicKey } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import {
  type CreateSigningProvider,
  isJsonObject,
  type ProviderKey,
  parseStrictJson,
  type SigningProvider,
  SigningProviderError,
  StrictJsonError,
} from '@tidings/protocol';
import { GoogleAuth } from 'google-auth-library';
import { Agent, request } from 'undici';
import { crc32c } from './crc32c.ts';

/** The section `signing.gcpKms` of the service's configuration. */
export interface GcpKmsSettings {
  readonly endpointUrl?: string | undefined;
  readonly concurrencyMax: number;
}

const ENDPOINT = 'https://cloudkms.googleapis.com';
const SCOPE = 'https://www.googleapis.com/auth/cloudkms';
/** The algorithms whose signatures are PS256. */
const ALGORITHMS = ['RSA_SIGN_PSS_2048_SHA256', 'RSA_SIGN_PSS_3072_SHA256', 'RSA_SIGN_PSS_4096_SHA256'];
const KEY = /^projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+\/cryptoKeys\/[^/]+\/cryptoKeyVersions\/\d+$/;

// Of the calls for access tokens. A metadata server is asked over HTTP.
const tokenAgents = { http: new HttpAgent(), https: new HttpsAgent({ rejectUnauthorized: true }) };
const agentFor = ({ protocol }: URL) => (protocol === 'https:' ? tokenAgents.https : tokenAgents.http);

type Answer = Readonly<Record<string, unknown>>;

/**
 * Makes a provider whose keys are those of Cloud KMS, by the resource names of their versions. Credentials are found as Google's
 * libraries find them (application default credentials).
 */
export const createProvider: CreateSigningProvider<GcpKmsSettings> = (settings) => new GcpKmsProvider(settings);

/** Makes the two calls of the REST API itself: the vendor's client brings gRPC with it, for nothing that is needed here. */
class GcpKmsProvider implements SigningProvider {
  readonly #endpoint: string;
  readonly #agent: Agent;
  readonly #auth = new GoogleAuth({ scopes: SCOPE, clientOptions: { transporterOptions: { agent: agentFor } } });

  constructor({ endpointUrl = ENDPOINT, concurrencyMax }: GcpKmsSettings) {
    this.#endpoint = endpointUrl.replace(/\/$/, '');
    this.#agent = new Agent({ connect: { rejectUnauthorized: true }, connections: concurrencyMax });
  }

  async openKey(key: string, signal: AbortSignal): Promise<ProviderKey> {
    if (!KEY.test(key)) {
      const form = 'projects/…/locations/…/keyRings/…/cryptoKeys/…/cryptoKeyVersions/1';
      throw new SigningProviderError('denied', `"${key}" is not the name of a version of a key, ${form}`);
    }
    const { algorithm, pem, pemCrc32c } = await this.#call('GET', `${key}/publicKey`, undefined, signal);
    if (typeof algorithm !== 'string' || !ALGORITHMS.includes(algorithm)) {
      const why = `is for ${algorithm}; PS256 needs a key that was made for ${ALGORITHMS.join(', ')}`;
      throw new SigningProviderError('denied', `the key ${key} ${why}`);
    }
    if (typeof pem !== 'string') throw new SigningProviderError('unavailable', 'Cloud KMS returned no public key');
    assertIntact(Buffer.from(pem), pemCrc32c);
    return {
      publicKeyPem: createPublicKey(pem).export({ type: 'spki', format: 'pem' }).toString(),
      sign: (input, signing) => this.#sign(key, input, signing),
    };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #sign(key: string, input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    const digest = createHash('sha256').update(input).digest();
    const body = { digest: { sha256: digest.toString('base64') }, digestCrc32c: crc32c(digest) };
    const answer = await this.#call('POST', `${key}:asymmetricSign`, body, signal);
    const { signature, signatureCrc32c, verifiedDigestCrc32c } = answer;
    if (typeof signature !== 'string') throw new SigningProviderError('unavailable', 'Cloud KMS returned no signature');
    if (verifiedDigestCrc32c !== true) {
      throw new SigningProviderError('unavailable', 'Cloud KMS did not receive the digest as it was sent');
    }
    const bytes = Buffer.from(signature, 'base64');
    assertIntact(bytes, signatureCrc32c);
    return bytes;
  }

  async #call(method: 'GET' | 'POST', path: string, body: object | undefined, signal: AbortSignal): Promise<Answer> {
    const token = await this.#token();
    // The token may have come after the deadline of the call.
    signal.throwIfAborted();
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    const options = { method, headers, body: body === undefined ? null : JSON.stringify(body), signal };
    const { status, headers: answered, answer } = await this.#exchange(`${this.#endpoint}/v1/${path}`, options);
    if (status === 200 && answer !== undefined) return answer;
    throw failure(status, answered, answer);
  }

  async #exchange(url: string, options: Parameters<typeof request>[1]) {
    try {
      const { statusCode, headers, body } = await request(url, { ...options, dispatcher: this.#agent });
      return { status: statusCode, headers, answer: jsonOf(await body.bytes()) };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SigningProviderError('unavailable', `Cloud KMS does not answer: ${why}`, { cause: error });
    }
  }

  async #token(): Promise<string> {
    try {
      const token = await this.#auth.getAccessToken();
      if (typeof token === 'string') return token;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new SigningProviderError('unavailable', `Google gave no access token: ${why}`, { cause: error });
    }
    throw new SigningProviderError('unavailable', 'Google gave no access token');
  }
}

/** Cloud KMS asks its callers to compare. */
function assertIntact(bytes: Uint8Array, sum: unknown): void {
  if (sum === crc32c(bytes)) return;
  throw new SigningProviderError('unavailable', 'an answer of Cloud KMS was changed on its way: its checksum is wrong');
}

function failure(status: number, headers: Readonly<Record<string, unknown>>, answer: Answer | undefined) {
  const error = isJsonObject(answer?.['error']) ? answer['error'] : {};
  const { status: name = 'nothing that can be read', message = '' } = error;
  const why = `Cloud KMS answered ${status} ${name}: ${message}`;
  if (status === 429) {
    return new SigningProviderError('throttled', why, { retryAfterMs: retryAfterOf(headers['retry-after'], error) });
  }
  const isRefusal = status >= 400 && status < 500 && status !== 408;
  return new SigningProviderError(isRefusal ? 'denied' : 'unavailable', why);
}

/** From the header, in whole seconds, or the detail google.rpc.RetryInfo, such as `1.5s`. */
function retryAfterOf(header: unknown, { details }: Answer): number | undefined {
  if (typeof header === 'string' && /^\d{1,4}$/.test(header)) return 1000 * Number(header);
  const delays = (Array.isArray(details) ? details : []).map((each) => isJsonObject(each) && each['retryDelay']);
  const seconds = delays.map((delay) => /^(\d{1,4}(?:\.\d+)?)s$/.exec(String(delay))?.[1]).find(Boolean);
  return seconds === undefined ? undefined : 1000 * Number(seconds);
}

/** Undefined for anything but a JSON object. */
function jsonOf(bytes: Uint8Array): Answer | undefined {
  try {
    const parsed = parseStrictJson(bytes);
    return isJsonObject(parsed) ? parsed : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
}
