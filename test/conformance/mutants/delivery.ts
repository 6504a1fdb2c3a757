import { type Header, headerOf, type ProxiedAnswer, type ProxiedRequest, withHeaders } from '../proxies.ts';
import { claimsIn, forgedSet, type Mutant, type MutantKeys, mutant } from './mutant.ts';

const ACKNOWLEDGED = 202;

/** Changes deliveries before the receiver has them. @param nth number of the delivery of this SET, from 1 */
function sends(
  name: string,
  caughtBy: string,
  change: (request: ProxiedRequest, keys: MutantKeys, nth: number) => ProxiedRequest,
): Mutant {
  return mutant(name, caughtBy, (keys) => {
    const counts = counting();
    return { delivery: (request, forward) => forward(change(request, keys, counts(request))) };
  });
}

/** Takes other answers of the receiver for what they are not. */
function takes(name: string, caughtBy: string, change: (answer: ProxiedAnswer) => ProxiedAnswer): Mutant {
  return mutant(name, caughtBy, () => ({
    delivery: async (request, forward) => {
      const answer = await forward(request);
      return answer && change(answer);
    },
  }));
}

/** Counts the deliveries of each SET. */
function counting(): (request: ProxiedRequest) => number {
  const counts = new Map<unknown, number>();
  return ({ body }) => {
    const { jti } = claimsIn(body.toString());
    const count = (counts.get(jti) ?? 0) + 1;
    counts.set(jti, count);
    return count;
  };
}

function replaced(request: ProxiedRequest, headers: Readonly<Record<string, string | undefined>>): ProxiedRequest {
  return { ...request, headers: withHeaders(request.headers, headers) };
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

const NO_HEADERS: readonly Header[] = [];
const DONE: ProxiedAnswer = { status: ACKNOWLEDGED, headers: NO_HEADERS, body: Buffer.alloc(0) };

/** Banks that break rules of delivery in real time. */
export const DELIVERY_MUTANTS: readonly Mutant[] = [
  sends('appends-the-resource-to-the-url', 'RT-01', (request) => ({
    ...request,
    path: `${request.path}/event-notifications`,
  })),
  sends('sends-json', 'RT-02', (request) => replaced(request, { 'content-type': 'application/json' })),
  sends('wraps-the-set-in-json', 'RT-03', (request) => ({
    ...request,
    body: Buffer.from(JSON.stringify({ set: request.body.toString() })),
  })),
  sends('sends-no-interaction-id', 'RT-04', (request) => replaced(request, { 'x-fapi-interaction-id': undefined })),
  sends('sends-no-financial-id', 'RT-05', (request) => replaced(request, { 'x-fapi-financial-id': undefined })),
  mutant('trusts-any-certificate', 'RT-07', () => ({ untrusted: (request, forward) => forward(request) })),
  sends('sends-other-claims-than-it-offers', 'RT-10', (request, keys) => ({
    ...request,
    body: Buffer.from(forgedSet(request.body.toString(), keys, { claims: { toe: 1_700_000_000 } })),
  })),
  sends('signs-again-for-each-delivery', 'RT-11', (request, keys) => ({
    ...request,
    body: Buffer.from(forgedSet(request.body.toString(), keys, {})),
  })),
  mutant('sends-again-after-202', 'RT-30', () => ({
    delivery: async (request, forward) => {
      const answer = await forward(request);
      return answer?.status === ACKNOWLEDGED ? await forward(request) : answer;
    },
  })),
  takes('needs-the-echo-to-acknowledge', 'RT-31', (answer) =>
    headerOf(answer, 'x-fapi-interaction-id') === undefined ? { ...answer, status: 500 } : answer,
  ),
  takes('offers-what-was-acknowledged', 'RT-32', (answer) => ({
    ...answer,
    status: 503,
    headers: [['retry-after', '60']],
  })),
  takes('takes-any-2xx-for-an-acknowledgement', 'RT-33', (answer) =>
    answer.status < 300 ? { ...answer, status: ACKNOWLEDGED } : answer,
  ),
  takes('does-not-retry', 'RT-34', (answer) => ({ ...answer, status: ACKNOWLEDGED })),
  mutant('follows-redirects', 'RT-35', () => ({
    delivery: async (request, forward) => {
      const answer = await forward(request);
      const location = answer && headerOf(answer, 'location');
      return location === undefined ? answer : await forward({ ...request, path: new URL(location).pathname });
    },
  })),
  mutant('gives-up-when-the-connection-closes', 'RT-36', () => ({
    delivery: async (request, forward) => (await forward(request)) ?? DONE,
  })),
  mutant('gives-up-when-no-answer-comes', 'RT-37', () => ({
    delivery: (request, forward) => Promise.race([forward(request), pause(800).then(() => DONE)]),
  })),
  sends('makes-a-jti-for-each-attempt', 'RT-40', (request, keys, nth) => ({
    ...request,
    body: Buffer.from(forgedSet(request.body.toString(), keys, { claims: { jti: `attempt-${nth}` } })),
  })),
  sends('keeps-one-interaction-id', 'RT-41', (request) =>
    replaced(request, { 'x-fapi-interaction-id': 'c4405450-febe-4645-a4d6-48b0ce2b8b1f' }),
  ),
  mutant('retries-without-backoff', 'RT-42', () => ({
    delivery: async (request, forward) => {
      for (let attempt = 1; attempt <= 4; attempt += 1) {
        const answer = await forward(replaced(request, { 'x-fapi-interaction-id': crypto.randomUUID() }));
        if (answer?.status === ACKNOWLEDGED) return answer;
        await pause(250);
      }
      return DONE;
    },
  })),
  takes('ignores-retry-after', 'RT-43', (answer) => ({
    ...answer,
    headers: withHeaders(answer.headers, { 'retry-after': undefined }),
  })),
  mutant('never-ceases', 'RT-44', () => ({
    delivery: async (request, forward) => {
      const answer = await forward(request);
      if (answer?.status !== ACKNOWLEDGED) void again(() => forward(request));
      return answer;
    },
  })),
  mutant('forgets-what-it-could-not-send', 'RT-45', () => {
    const counts = counting();
    return {
      delivery: async (request, forward) => {
        const nth = counts(request);
        const answer = await forward(request);
        // The last of the retries.
        return answer && nth === 4 ? { ...answer, status: ACKNOWLEDGED } : answer;
      },
    };
  }),
  mutant('sends-what-was-acknowledged-by-poll', 'RT-46', () => ({
    delivery: async (request, forward) => {
      const answer = await forward(request);
      if (answer?.status !== ACKNOWLEDGED) void again(() => forward(request));
      return answer;
    },
  })),
  mutant('leaves-those-who-return-alone', 'RT-47', () => {
    const counts = counting();
    return {
      delivery: async (request, forward) => (counts(request) > 4 ? { ...DONE, status: 503 } : await forward(request)),
    };
  }),
];

/** Sends again and again, whatever the answer. */
async function again(send: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    await pause(600);
    await send();
  }
}
