import type { ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { type Poll, readPoll, type SetErrorReport, writePollResponse } from '@tidings/protocol';

/** The parts of a request that polling looks at. */
interface Request {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** Aggregated polling as a bank offers it: what was offered waits to be offered again until the test says so. */
export interface FakeEvents {
  /** Every poll that was read, in its order. */
  readonly polls: Poll[];
  /** What is not acknowledged, oldest first, by the key that it is given under. */
  readonly awaiting: Map<string, string>;
  /** What was acknowledged, in its order; acknowledging again changes nothing. */
  readonly acknowledged: string[];
  /** What was reported, each report once: a poll that was aborted is reported again. */
  readonly errors: SetErrorReport[];
  /** Long polls that are held at the moment. */
  held: number;
  /** Held polls whose connection the TPP ended. */
  aborted: number;
  /** Makes a SET available, and wakes who waits. */
  publish(jti: string, set: string): void;
  /** Offers everything again that is awaiting. */
  offerAgain(): void;
  /** Answers held polls with nothing. */
  endHold(): void;
  /** Resolves once the condition holds; it is looked at after every poll, hold and abort. */
  until(condition: (events: FakeEvents) => boolean): Promise<void>;
  serve(request: Request, response: ServerResponse): Promise<void>;
}

const SETS_PER_POLL = 100;

/** Makes the polling service of a fake bank. */
export function createFakeEvents(): FakeEvents {
  const offered = new Set<string>();
  const wakers = new Set<() => void>();
  const waiting: { condition: (events: FakeEvents) => boolean; resolve: () => void }[] = [];

  function changed(): void {
    for (const each of waiting) if (each.condition(events)) each.resolve();
  }

  function take(poll: Poll): { sets: { jti: string; set: string }[]; moreAvailable: boolean } {
    const due = [...events.awaiting].filter(([jti]) => !offered.has(jti)).map(([jti, set]) => ({ jti, set }));
    const sets = due.slice(0, poll.maxEvents ?? SETS_PER_POLL);
    for (const { jti } of sets) offered.add(jti);
    return { sets, moreAvailable: due.length > sets.length };
  }

  async function hold(response: ServerResponse): Promise<'woken' | 'aborted'> {
    const over = Promise.withResolvers<'woken' | 'aborted'>();
    const wake = () => over.resolve('woken');
    const abort = () => over.resolve('aborted');
    wakers.add(wake);
    response.on('close', abort);
    events.held += 1;
    changed();
    const how = await over.promise;
    events.held -= 1;
    wakers.delete(wake);
    response.off('close', abort);
    return how;
  }

  const wakeAll = () => {
    for (const wake of [...wakers]) wake();
  };

  const events: FakeEvents = {
    polls: [],
    awaiting: new Map(),
    acknowledged: [],
    errors: [],
    held: 0,
    aborted: 0,
    publish: (jti, set) => {
      events.awaiting.set(jti, set);
      wakeAll();
    },
    offerAgain: () => {
      offered.clear();
      wakeAll();
    },
    endHold: wakeAll,
    until: async (condition) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.push({ condition, resolve });
      changed();
      await promise;
    },
    serve: async ({ headers, body }, response) => {
      const poll = readPoll(body);
      events.polls.push(poll);
      for (const jti of poll.acknowledged) {
        if (events.awaiting.delete(jti)) events.acknowledged.push(jti);
      }
      for (const error of poll.errors) {
        if (!events.errors.some((known) => isDeepStrictEqual(known, error))) events.errors.push(error);
      }
      changed();
      let given = take(poll);
      if (given.sets.length === 0 && !poll.returnImmediately) {
        if ((await hold(response)) === 'aborted') {
          events.aborted += 1;
          return changed();
        }
        given = take(poll);
      }
      response.writeHead(200, {
        'content-type': 'application/json',
        'x-fapi-interaction-id': String(headers['x-fapi-interaction-id']),
      });
      response.end(JSON.stringify(writePollResponse(given.sets, given.moreAvailable)));
    },
  };
  return events;
}
