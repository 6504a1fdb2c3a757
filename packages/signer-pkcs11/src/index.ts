import { type ChildProcess, fork } from 'node:child_process';
import { createHash, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import {
  type CreateSigningProvider,
  type ProviderKey,
  type SigningProvider,
  SigningProviderError,
} from '@tidings/protocol';
// Loaded here too, so that a missing compiler is reported when the package is loaded.
import 'pkcs11js';
import type { OpenRequest, Reply, SignRequest } from './messages.ts';

/** The section `signing.pkcs11` of the service's configuration. */
export interface Pkcs11Settings {
  /** The PKCS #11 library of the module. */
  readonly libraryFile: string;
  readonly tokenLabel: string;
  readonly pinFile: string;
  /** Threads that sign at the same time. */
  readonly concurrencyMax: number;
}

const PROCESS = join(import.meta.dirname, `module-process${extname(import.meta.filename)}`);

const encodeBase64url = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

/** Makes a provider whose keys are those of one token, by their labels. */
export const createProvider: CreateSigningProvider<Pkcs11Settings> = (settings) => new Pkcs11Provider(settings);

/** A request without the number that its answer has too. */
type Unnumbered = Omit<OpenRequest, 'id'> | Omit<SignRequest, 'id'>;

interface Waiting {
  resolve(reply: Reply): void;
  reject(error: Error): void;
}

/** A process that has the library of the module. */
interface ModuleProcess {
  readonly child: ChildProcess;
  readonly waiting: Map<number, Waiting>;
  hasEnded: boolean;
  /** A request was left unanswered for too long. */
  isStuck: boolean;
}

/**
 * Passes requests to a process that has the library of the module: libraries block and crash, and this one may do so alone.
 * After a failure that is no refusal the process is ended; opening a key starts another.
 */
class Pkcs11Provider implements SigningProvider {
  readonly #settings: Pkcs11Settings;
  #process: ModuleProcess | undefined;
  #requests = 0;
  /** A PIN that the token refused: a few more attempts with it would lock the token. */
  #refusedPin: string | undefined;

  constructor(settings: Pkcs11Settings) {
    this.#settings = settings;
  }

  async openKey(key: string, signal: AbortSignal): Promise<ProviderKey> {
    const { libraryFile, tokenLabel } = this.#settings;
    const pin = this.#readPin();
    if (this.#process?.isStuck === true) end(this.#process);
    if (this.#process?.hasEnded !== false) this.#process = startProcess(this.#settings.concurrencyMax);
    const on = this.#process;
    const opened = await this.#ask(on, { kind: 'open', libraryFile, tokenLabel, pin, key }, signal);
    if (opened.kind !== 'opened') throw new SigningProviderError('unavailable', 'the module gave a wrong answer');
    const [n, e] = [encodeBase64url(opened.modulus), encodeBase64url(opened.publicExponent)];
    const publicKey = createPublicKey({ key: { kty: 'RSA', n, e }, format: 'jwk' });
    return {
      publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      sign: async (input, signing) => {
        const digest = createHash('sha256').update(input).digest();
        const signed = await this.#ask(on, { kind: 'sign', key, digest }, signing);
        if (signed.kind !== 'signed') throw new SigningProviderError('unavailable', 'the module gave a wrong answer');
        return signed.signature;
      },
    };
  }

  async close(): Promise<void> {
    if (this.#process !== undefined) end(this.#process);
  }

  #readPin(): string {
    const { pinFile } = this.#settings;
    let pin: string;
    try {
      pin = readFileSync(pinFile, 'utf8').trim();
    } catch (error) {
      throw new SigningProviderError('denied', `the file of the PIN, ${pinFile}, cannot be read`, { cause: error });
    }
    if (pin !== this.#refusedPin) return pin;
    throw new SigningProviderError('denied', 'the token refused this PIN before, and it is not tried again');
  }

  async #ask(on: ModuleProcess, request: Unnumbered, signal: AbortSignal): Promise<Reply> {
    if (on.hasEnded) throw new SigningProviderError('unavailable', 'the process of the module ended');
    this.#requests += 1;
    const id = this.#requests;
    const onAbort = () => {
      on.isStuck = true;
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const reply = await new Promise<Reply>((resolve, reject) => {
      on.waiting.set(id, { resolve, reject });
      on.child.send({ ...request, id });
    }).finally(() => signal.removeEventListener('abort', onAbort));
    if (reply.kind !== 'failed') return reply;
    if (reply.isPinRefused && request.kind === 'open') this.#refusedPin = request.pin;
    if (reply.fault === 'unavailable' || reply.isPinRefused) end(on);
    throw new SigningProviderError(reply.fault, reply.message);
  }
}

/** @param threads that make signatures */
function startProcess(threads: number): ModuleProcess {
  const env = { ...process.env, UV_THREADPOOL_SIZE: String(threads) };
  // Standard output is the log of the service.
  const stdio = ['ignore', 'ignore', 'inherit', 'ipc'] as const;
  const child = fork(PROCESS, { serialization: 'advanced', env, execArgv: [], stdio: [...stdio] });
  const started: ModuleProcess = { child, waiting: new Map(), hasEnded: false, isStuck: false };
  child.on('message', (reply: Reply) => {
    started.waiting.get(reply.id)?.resolve(reply);
    started.waiting.delete(reply.id);
    // It was merely slow.
    if (started.waiting.size === 0) started.isStuck = false;
  });
  child.on('error', () => end(started));
  child.on('exit', () => end(started));
  return started;
}

/** Ends the process, and rejects what waits for it. May be called more than once. */
function end(ended: ModuleProcess): void {
  ended.hasEnded = true;
  ended.child.kill('SIGKILL');
  const error = new SigningProviderError('unavailable', 'the process of the module ended');
  for (const { reject } of ended.waiting.values()) reject(error);
  ended.waiting.clear();
}
