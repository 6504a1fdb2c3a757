import type { UnreachableClass } from '../../src/model/attempt.ts';
import type { CallbackClient, CallbackPost, Exchange } from '../../src/net/callback-client.ts';

/** One POST that was made. */
export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly atMs: number;
}

/** What a callback URL answers: a status with headers, nothing ever, or an error. */
export type Answer =
  | number
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | { readonly unreachable: UnreachableClass }
  | 'hang';

/** Answers by a script per URL; the last answer of a script goes on for ever. A URL without one answers 202. */
export class FakeCallbackClient implements CallbackClient {
  readonly posts: Post[] = [];
  /** Most POSTs that were ever under way at once, over all URLs and by URL. */
  underWayMax = 0;
  readonly underWayMaxOf = new Map<string, number>();
  readonly #nowMs: () => number;
  readonly #scripts = new Map<string, Answer[]>();
  readonly #hanging = new Map<string, ((exchange: Exchange) => void)[]>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  script(url: string, ...answers: readonly Answer[]): void {
    this.#scripts.set(url, [...answers]);
  }

  postsTo(url: string): readonly Post[] {
    return this.posts.filter((post) => post.url === url);
  }

  /** How many POSTs hang, at one URL or at all. */
  hanging(url?: string): number {
    if (url !== undefined) return this.#hanging.get(url)?.length ?? 0;
    return [...this.#hanging.values()].reduce((sum, waiting) => sum + waiting.length, 0);
  }

  /** Answers the POST that has hung the longest. */
  answerOne(url: string, status: number): void {
    this.#hanging.get(url)?.[0]?.(answered(status, {}));
  }

  post({ url, headers, body }: CallbackPost, abort: AbortSignal): Promise<Exchange> {
    this.posts.push({ url, headers, body, atMs: this.#nowMs() });
    const script = this.#scripts.get(url) ?? [];
    const answer = (script.length > 1 ? script.shift() : script[0]) ?? 202;
    if (answer === 'hang') return this.#hang(url, abort);
    if (typeof answer === 'number') return Promise.resolve(answered(answer, echo(headers)));
    if ('status' in answer) return Promise.resolve(answered(answer.status, answer.headers));
    return Promise.resolve({ kind: 'unreachable', errorClass: answer.unreachable, detail: 'scripted' });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #hang(url: string, abort: AbortSignal): Promise<Exchange> {
    const waiting = this.#hanging.get(url) ?? [];
    this.#hanging.set(url, waiting);
    return new Promise((resolve) => {
      const end = (exchange: Exchange) => {
        waiting.splice(waiting.indexOf(end), 1);
        resolve(exchange);
      };
      waiting.push(end);
      this.underWayMaxOf.set(url, Math.max(waiting.length, this.underWayMaxOf.get(url) ?? 0));
      this.underWayMax = Math.max(this.underWayMax, this.hanging());
      abort.addEventListener('abort', () => end({ kind: 'unreachable', errorClass: 'reset', detail: 'aborted' }));
    });
  }
}

function echo(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { 'x-fapi-interaction-id': headers['x-fapi-interaction-id'] ?? '' };
}

function answered(status: number, headers: Readonly<Record<string, string>>): Exchange {
  return { kind: 'answered', status, header: (name) => headers[name] };
}
