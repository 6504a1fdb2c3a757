import type { ProxiedRequest } from '../proxies.ts';
import { changesAnswer, changesRequest, isPoll, jsonOf, type Mutant, mutant, signedByClient } from './mutant.ts';

type Body = Record<string, unknown>;

/** Changes the polls before the bank has them. */
function reads(name: string, caughtBy: string, change: (body: Body) => Body): Mutant {
  return changesRequest(name, caughtBy, (request) =>
    isPoll(request) ? withBody(request, change(jsonOf(request))) : request,
  );
}

/** Changes the answers to polls. */
function answers(name: string, caughtBy: string, change: (body: Body) => Body): Mutant {
  return changesAnswer(name, caughtBy, (answer, request) =>
    isPoll(request) && answer.status === 200
      ? { ...answer, body: Buffer.from(JSON.stringify(change(jsonOf(answer)))) }
      : answer,
  );
}

function withBody(request: ProxiedRequest, body: Body): ProxiedRequest {
  return { ...request, body: Buffer.from(JSON.stringify(body)) };
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Banks that break rules of aggregated polling. */
export const POLLING_MUTANTS: readonly Mutant[] = [
  answers('leaves-moreavailable-out', 'POLL-01', ({ sets }) => ({ sets })),
  answers('names-sets-by-another-jti', 'POLL-02', ({ sets, ...rest }) => {
    const renamed = Object.entries({ ...(sets as object) }).map(([jti, token]) => [`x-${jti}`, token]);
    return { ...rest, sets: Object.fromEntries(renamed) };
  }),
  answers('adds-a-member', 'POLL-03', (body) => ({ ...body, count: 0 })),
  reads('ignores-maxevents', 'POLL-04', ({ maxEvents: _, ...rest }) => rest),
  answers('says-never-that-there-is-more', 'POLL-05', (body) => ({ ...body, moreAvailable: false })),
  reads('offers-with-maxevents-0', 'POLL-06', ({ maxEvents, ...rest }) =>
    maxEvents === 0 ? rest : { ...rest, maxEvents },
  ),
  changesAnswer('does-not-offer-through-v3', 'POLL-07', (answer, request) =>
    isPoll(request) && request.path.includes('/v3.1/')
      ? { ...answer, body: Buffer.from('{"sets":{},"moreAvailable":false}') }
      : answer,
  ),
  reads('ignores-acknowledgements', 'POLL-10', ({ ack: _, ...rest }) => rest),
  mutant('never-offers-again', 'POLL-11', () => {
    const offered = new Set<string>();
    return {
      api: async (request, forward) => {
        if (!isPoll(request)) return await forward(request);
        const body = jsonOf(request);
        const answer = await forward(withBody(request, { ...body, ack: [...listOf(body['ack']), ...offered] }));
        if (answer?.status === 200)
          for (const jti of Object.keys({ ...(jsonOf(answer)['sets'] as object) })) offered.add(jti);
        return answer;
      },
    };
  }),
  reads('drops-what-is-reported-as-an-error', 'POLL-13', ({ setErrs, ack, ...rest }) => ({
    ...rest,
    ack: [...listOf(ack), ...Object.keys({ ...(setErrs as object) })],
  })),
  changesAnswer('knows-one-vocabulary-of-err', 'POLL-14', (answer, request) =>
    isPoll(request) && request.body.toString().includes('jwtIss') ? { ...answer, status: 400 } : answer,
  ),
  reads('prefers-reports-to-acknowledgements', 'POLL-15', ({ ack, setErrs, ...rest }) =>
    setErrs === undefined ? { ...rest, ack: listOf(ack) } : { ...rest, setErrs },
  ),
  changesAnswer('refuses-unknown-jtis', 'POLL-16', (answer, request) =>
    listOf(jsonOf(request)['ack']).length > 0 ? { ...answer, status: 400 } : answer,
  ),
  reads('drops-all-beside-an-unknown-jti', 'POLL-17', ({ ack, ...rest }) =>
    listOf(ack).length > 1 ? rest : { ...rest, ack: listOf(ack) },
  ),
  changesAnswer('lets-everybody-poll', 'POLL-20', (answer, request) =>
    isPoll(request) && answer.status === 403
      ? { ...answer, status: 200, body: Buffer.from('{"sets":{},"moreAvailable":false}') }
      : answer,
  ),
  reads('ignores-unknown-members-of-polls', 'POLL-22', ({ unknown: _, ...rest }) => rest),
  reads('takes-negative-maxevents', 'POLL-23', ({ maxEvents, ...rest }) =>
    Number(maxEvents) < 0 ? rest : { ...rest, maxEvents },
  ),
  reads('takes-long-errors', 'POLL-25', ({ setErrs: _, ...rest }) => rest),
  mutant('ignores-event-types', 'POLL-30', (keys) => ({
    api: async (request, forward) => {
      const isCreation = request.method === 'POST' && !isPoll(request);
      const { Data } = jsonOf(request);
      if (!isCreation || typeof Data !== 'object') return await forward(request);
      const { EventTypes: _, ...rest } = { ...(Data as Body) };
      return await forward(signedByClient(request, Buffer.from(JSON.stringify({ Data: rest })), keys));
    },
  })),
  mutant('sends-all-types-to-early-versions', 'POLL-32', (keys) => ({
    api: async (request, forward) => {
      const { Data } = jsonOf(request);
      if (request.method !== 'POST' || isPoll(request) || typeof Data !== 'object') return await forward(request);
      const later = JSON.stringify({ Data: { ...(Data as Body), Version: '4.0' } });
      return await forward(signedByClient(request, Buffer.from(later), keys));
    },
  })),
  reads('answers-long-polls-at-once', 'POLL-41', (body) => ({ ...body, returnImmediately: true })),
  mutant('holds-polls-that-want-an-answer', 'POLL-40', () => ({
    api: async (request, forward) => {
      const answer = await forward(request);
      // Longer than an answer at once may take.
      if (jsonOf(request)['returnImmediately'] === true) await new Promise((resolve) => setTimeout(resolve, 5200));
      return answer;
    },
  })),
  mutant('does-not-end-long-polls-with-an-event', 'POLL-42', () => ({
    api: async (request, forward) => {
      const answer = await forward(request);
      const isLong = jsonOf(request)['returnImmediately'] === false;
      return answer && isLong ? { ...answer, body: Buffer.from('{"sets":{},"moreAvailable":false}') } : answer;
    },
  })),
];
