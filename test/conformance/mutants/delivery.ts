import { type Header, headerOf, type ProxiedAnswer, type ProxiedRequest, withHeaders } from '../proxies.ts';
import {
  claimsIn,
  forgedSet,
  isPoll,
  isRegistration,
  jsonOf,
  type Mutant,
  type MutantKeys,
  mutant,
  signedByClient,
} from './mutant.ts';

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

const ATTEMPTS: readonly Mutant[] = [
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
      const send = () => forward(replaced(request, { 'x-fapi-interaction-id': crypto.randomUUID() }));
      const answer = await send();
      if (answer?.status !== ACKNOWLEDGED) void evenly(send);
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

/** Sends to every callback URL that was ever registered. */
function sendsToAll(name: string, caughtBy: string): Mutant {
  return mutant(name, caughtBy, () => {
    const paths = new Set<string>();
    return {
      api: (request, forward) => {
        const { CallbackUrl, Url } = { ...(jsonOf(request)['Data'] as Record<string, unknown> | undefined) };
        const url = CallbackUrl ?? Url;
        if (typeof url === 'string' && URL.canParse(url)) paths.add(new URL(url).pathname);
        return forward(request);
      },
      delivery: async (request, forward) => {
        for (const path of paths) if (path !== request.path) await forward({ ...request, path });
        return await forward(request);
      },
    };
  });
}

/** Pretends to do what a request says. @param answer in place of that of the bank */
function pretends(
  name: string,
  caughtBy: string,
  where: (request: ProxiedRequest) => boolean,
  answer: ProxiedAnswer,
): Mutant {
  return mutant(name, caughtBy, () => {
    let isMade = false;
    return {
      api: async (request, forward) => {
        if (request.method === 'POST' && isRegistration(request)) isMade = true;
        return isMade && where(request) ? answer : await forward(request);
      },
    };
  });
}

const REGISTRATIONS: readonly Mutant[] = [
  sendsToAll('sends-events-of-others', 'ISO-07'),
  sendsToAll('sends-to-superseded-callback-urls', 'RT-20'),
  mutant('sends-nothing-to-callback-urls', 'RT-21', () => ({ delivery: () => Promise.resolve(DONE) })),
  mutant('sends-all-types-to-callback-urls', 'RT-22', (keys) => ({
    api: async (request, forward) => {
      const { Url, Version } = { ...(jsonOf(request)['Data'] as Record<string, unknown> | undefined) };
      if (request.method !== 'POST' || Url === undefined) return await forward(request);
      const body = Buffer.from(JSON.stringify({ Data: { CallbackUrl: Url, Version } }));
      const subscription = signedByClient(
        { ...request, path: request.path.replace('callback-urls', 'event-subscriptions') },
        body,
        keys,
      );
      const answer = await forward(subscription);
      const CallbackUrlId = (jsonOf(answer ?? DONE)['Data'] as Record<string, unknown> | undefined)?.[
        'EventSubscriptionId'
      ];
      return answer && { ...answer, body: Buffer.from(JSON.stringify({ Data: { CallbackUrlId, Url, Version } })) };
    },
  })),
  pretends('changes-no-callback-url', 'RT-23', ({ method }) => method === 'PUT', { ...DONE, status: 200 }),
  pretends('deletes-nothing', 'RT-24', ({ method }) => method === 'DELETE', { ...DONE, status: 204 }),
  pretends('never-forgets-a-callback-url', 'RT-25', ({ method }) => method === 'PUT', { ...DONE, status: 200 }),
  mutant('knows-resource-update-alone', 'SET-19', (keys) => ({
    api: async (request, forward) => {
      const answer = await forward(request);
      const { sets, ...rest } = answer === undefined ? {} : jsonOf(answer);
      if (answer === undefined || !isPoll(request) || typeof sets !== 'object') return answer;
      const changed = Object.entries({ ...sets }).map(([jti, token]) => {
        const text = JSON.stringify(claimsIn(String(token))['events']).replace(
          'consent-authorization-revoked',
          'resource-update',
        );
        return [jti, forgedSet(String(token), keys, { claims: { events: JSON.parse(text) } })];
      });
      return { ...answer, body: Buffer.from(JSON.stringify({ ...rest, sets: Object.fromEntries(changed) })) };
    },
  })),
];

/** Sends again after the same time each, until it is acknowledged. Long enough that a slow machine does not look like a backoff. */
async function evenly(send: () => Promise<ProxiedAnswer | undefined>): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt += 1) {
    await pause(900);
    if ((await send())?.status === ACKNOWLEDGED) return;
  }
}

/** Sends again and again, whatever the answer. */
async function again(send: () => Promise<unknown>): Promise<void> {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    await pause(600);
    await send();
  }
}

/** Banks that break rules of delivery in real time. */
export const DELIVERY_MUTANTS: readonly Mutant[] = [...ATTEMPTS, ...REGISTRATIONS];
