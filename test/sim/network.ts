import type { CallbackClient, Clock, Exchange } from '../../packages/service/test/support/parts.ts';
import { type Behaviour, planOf } from './behaviour.ts';
import type { Chance } from './chance.ts';
import type { Life, Note } from './ledger.ts';
import type { Oracle } from './oracle.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

const INTERACTION_ID = 'x-fapi-interaction-id';

/** Everything between the instances and the receivers of the TPPs. */
export class Network {
  readonly #oracle: Oracle;
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #trace: Trace;
  readonly #behaviours = new Map<string, Behaviour>();
  readonly #timeoutMs: number;

  constructor(parts: { oracle: Oracle; timeline: Timeline; chance: Chance; trace: Trace; timeoutMs: number }) {
    this.#oracle = parts.oracle;
    this.#timeline = parts.timeline;
    this.#chance = parts.chance;
    this.#trace = parts.trace;
    this.#timeoutMs = parts.timeoutMs;
  }

  behave(url: string, behaviour: Behaviour): void {
    this.#behaviours.set(url, behaviour);
  }

  allBehave(behaviour: Behaviour): void {
    for (const url of this.#behaviours.keys()) this.#behaviours.set(url, behaviour);
  }

  /** What an instance sends with. It keeps the deadline, as the real one does. */
  clientOf(life: Life, clock: Clock): CallbackClient {
    return {
      close: () => Promise.resolve(),
      post: ({ url, headers, body }, abort) => this.#post(life, clock, { url, headers, body, abort }),
    };
  }

  #post(
    life: Life,
    clock: Clock,
    request: { url: string; headers: Readonly<Record<string, string>>; body: string; abort: AbortSignal },
  ): Promise<Exchange> {
    const { url, headers, body, abort } = request;
    const interactionId = headers[INTERACTION_ID] ?? '';
    const grant = this.#oracle.posted(life, url, body, interactionId);
    const timeoutMs = this.#timeoutMs;
    const behaviour = this.#behaviours.get(url) ?? 'refuse';
    const plan = planOf(behaviour, { chance: this.#chance, interactionId, timeoutMs, nowMs: clock.nowMs() });
    const note = grant?.note;
    this.#trace(() => `${life.name} POST ${note?.jti.slice(0, 8)} to ${url}, which is ${behaviour}`);
    if (plan.arrivesMs !== undefined && note !== undefined)
      this.#arrive(life, note, body, plan.arrivesMs, plan.isTaken);
    return new Promise((resolve) => {
      let isOver = false;
      const end = (exchange: Exchange) => {
        if (isOver || !life.isAlive) return;
        isOver = true;
        cancelDeadline();
        abort.removeEventListener('abort', onAbort);
        const isPlanned = exchange === plan.exchange;
        this.#oracle.told(life, interactionId, toldBy(exchange), isPlanned ? plan : undefined);
        this.#trace(() => `${life.name} was told ${toldBy(exchange)} about ${note?.jti.slice(0, 8)}`);
        resolve(exchange);
      };
      const onAbort = () => end({ kind: 'unreachable', errorClass: 'reset', detail: 'aborted' });
      const onDeadline = () => end({ kind: 'unreachable', errorClass: 'timeout', detail: 'simulated' });
      const cancelDeadline = clock.after(timeoutMs, onDeadline);
      if (plan.answersMs !== undefined) this.#timeline.after(plan.answersMs, () => end(plan.exchange));
      if (abort.aborted) onAbort();
      else abort.addEventListener('abort', onAbort);
    });
  }

  /** What was sent may arrive though its sender is gone. */
  #arrive(life: Life, note: Note, body: string, afterMs: number, isTaken: boolean): void {
    const survives = this.#chance.happens(0.5);
    this.#timeline.after(afterMs, () => {
      if (life.isAlive || survives) this.#oracle.arrived(note, body, isTaken);
    });
  }
}

function toldBy(exchange: Exchange): 'acknowledged' | 'unreachable' | number {
  if (exchange.kind === 'unreachable') return 'unreachable';
  return exchange.status === 202 ? 'acknowledged' : exchange.status;
}
