import assert from 'node:assert/strict';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { signCompact } from '@tidings/protocol';
import { listenHttps, makeParticipant, sendJson, testPki } from '@tidings/testing';
import {
  createMultiBankReceiver,
  type MultiBankReceiverOptions,
  nodeListener,
  type Refusal,
  remoteKeys,
} from '@tidings/tpp';
import { BANK_ORG_ID, CLIENT_ID, delivery, ISSUER, makeSet, NOW_MS, testBank } from './support/sets.ts';

const OTHER_ISSUER = 'https://other-bank.example/';
const OTHER_ORG_ID = '0015800000other0AAE';
const ANCHOR = 'anchor.example';
const PATH = '/one/open-banking/v4.0/event-notifications';
const OTHER_PATH = '/two/open-banking/v4.0/event-notifications';
const SHARED_PATH = '/open-banking/v3.1/event-notifications';

const otherMade = makeParticipant(OTHER_ORG_ID, 'other-key-1', ANCHOR);

/** A token of the other bank, which has another client id, trust anchor and clock. */
async function otherSet(changes: { jti?: string; iat?: number } = {}): Promise<string> {
  return await makeSet({ iss: OTHER_ISSUER, aud: 'tpp-client-2', ...changes }, await otherMade);
}

interface Endpoint {
  readonly refusals: Refusal[];
  readonly handled: string[];
  post(path: string, set: string): Promise<{ status: number; body: string }>;
}

/** An endpoint of two banks; the other one's keys are at a URL that only its own authority vouches for. */
async function endpoint(t: TestContext, warn?: (line: string) => void): Promise<Endpoint> {
  const other = await otherMade;
  const { origin } = await listenHttps(t, (_, response) => sendJson(response, { keys: [other.jwk] }));
  const refusals: Refusal[] = [];
  const handled: string[] = [];
  const receiver = createMultiBankReceiver({
    banks: {
      one: {
        paths: [PATH, SHARED_PATH],
        issuer: ISSUER,
        signer: BANK_ORG_ID,
        clientId: CLIENT_ID,
        keys: (await testBank()).keys,
      },
      two: {
        paths: [OTHER_PATH, SHARED_PATH],
        issuer: OTHER_ISSUER,
        signer: OTHER_ORG_ID,
        clientId: 'tpp-client-2',
        keys: remoteKeys({ url: origin, transport: { caPem: (await testPki()).caPem } }),
        trustAnchors: [ANCHOR],
        clockSkewSeconds: 600,
      },
    },
    now: () => NOW_MS,
    onNotification: ({ claims }) => void handled.push(`${claims.iss} ${claims.jti}`),
    ...(warn === undefined ? { onRefused: (refusal) => void refusals.push(refusal) } : { warn }),
  });
  return {
    refusals,
    handled,
    post: async (path, set) => {
      const response = await receiver.handle(new Request(`https://tpp.example${path}`, delivery(set)));
      return { status: response.status, body: await response.text() };
    },
  };
}

test('each bank is known by its path and its iss, with its own keys, client id, trust anchor and tolerance', async (t) => {
  const { post, handled, refusals } = await endpoint(t);
  assert.equal((await post(PATH, await makeSet({ jti: 'a' }))).status, 202);
  assert.equal((await post(`${PATH}?x=y`, await makeSet({ jti: 'b' }))).status, 202);
  assert.equal((await post(OTHER_PATH, await otherSet({ jti: 'a', iat: NOW_MS / 1000 + 500 }))).status, 202);
  assert.equal((await post(SHARED_PATH, await makeSet({ jti: 'c' }))).status, 202);
  assert.equal((await post(SHARED_PATH, await otherSet({ jti: 'c' }))).status, 202);
  // The same jti of two banks is two notifications.
  const expected = [`${ISSUER} a`, `${ISSUER} b`, `${OTHER_ISSUER} a`, `${ISSUER} c`, `${OTHER_ISSUER} c`];
  assert.deepEqual(handled, expected);
  assert.deepEqual(refusals, []);
  const ahead = await makeSet({ jti: 'd', iat: NOW_MS / 1000 + 500 });
  assert.equal((await post(PATH, ahead)).status, 400, 'the tolerance of one bank is not that of another');
});

test('an unknown bank, path, and a bank at the path of another are refused alike, and only the log says more', async (t) => {
  const { post, handled, refusals } = await endpoint(t);
  const stranger = await makeSet({ iss: 'https://stranger.example/' }, await makeParticipant('stranger', 'k'));
  const cases = [
    { path: PATH, set: stranger, cause: /issuer https:\/\/stranger\.example\/ at the path \/one\// },
    { path: '/nowhere', set: stranger, cause: /at the path \/nowhere/ },
    { path: '/nowhere', set: await makeSet(), cause: /issuer https:\/\/bank\.example\/ at the path \/nowhere/ },
    { path: PATH, set: await otherSet(), cause: /other-bank\.example\/ at the path \/one\// },
    { path: OTHER_PATH, set: await makeSet(), cause: /bank\.example\/ at the path \/two\// },
  ];
  const answers = new Set<string>();
  for (const { path, set, cause } of cases) {
    const { status, body } = await post(path, set);
    assert.equal(status, 400);
    answers.add(body);
    const refusal = refusals.pop();
    assert.equal(refusal?.bank, undefined);
    assert.ok(refusal?.cause instanceof Error);
    assert.match(refusal.cause.message, cause);
  }
  assert.deepEqual([...answers], ['{"err":"invalid_issuer","description":"iss is not the expected ASPSP."}']);
  assert.deepEqual(handled, []);
});

test('a bank cannot sign for another: its own keys verify its tokens and no others', async (t) => {
  const { post, handled, refusals } = await endpoint(t);
  // Signed by the other bank, in the name of the first.
  assert.equal((await post(PATH, await makeSet({}, await otherMade))).status, 400);
  assert.deepEqual([refusals[0]?.code, refusals[0]?.bank], ['invalid_issuer', 'one']);
  const sameHeader = await makeParticipant(BANK_ORG_ID, 'bank-key-1');
  assert.equal((await post(PATH, await makeSet({}, sameHeader))).status, 400);
  assert.deepEqual([refusals[1]?.code, refusals[1]?.bank], ['authentication_failed', 'one']);
  assert.equal((await post(OTHER_PATH, await makeSet({ iss: OTHER_ISSUER }, await otherMade))).status, 400);
  assert.deepEqual([refusals[2]?.code, refusals[2]?.bank], ['invalid_audience', 'two']);
  assert.deepEqual(handled, []);
});

test('what is no token is refused alike at every path', async (t) => {
  const { post, refusals } = await endpoint(t);
  const { signer } = await testBank();
  const bytes = (text: string) => new TextEncoder().encode(text);
  const bodies = ['', 'a.b.c', 'nonsense', await signCompact(bytes('[]'), signer, 1)];
  bodies.push(await signCompact(bytes('{"iss":7}'), signer, 1), await signCompact(bytes('{"iss":'), signer, 1));
  const answers = new Set<string>();
  for (const body of bodies) for (const path of [PATH, '/nowhere']) answers.add((await post(path, body)).body);
  assert.deepEqual(
    [...answers],
    ['{"err":"invalid_request","description":"The body is not a signed token with an iss claim."}'],
  );
  assert.equal(refusals.length, 12);
});

test('the printed refusal names the bank', async (t) => {
  const lines: string[] = [];
  const { post } = await endpoint(t, (line) => lines.push(line));
  await post(PATH, await makeSet({ aud: 'x' }));
  await post('/nowhere', await makeSet());
  assert.match(
    lines[0] ?? '',
    /a request of one to the callback URL was answered with status 400 \(invalid_audience\)/,
  );
  assert.match(lines[1] ?? '', /Cause: Error: no bank has the issuer https:\/\/bank\.example\/ at the path \/nowhere/);
});

test('the listener of Node.js hands on the path that was called, whole also in Express', async () => {
  const seen: string[] = [];
  const handle = async ({ url }: Request) => {
    seen.push(new URL(url).pathname);
    return new Response(null, { status: 202 });
  };
  for (const target of [PATH, `${PATH}?a=b`, '//other.example/x', `https://tpp.example${PATH}`, '*', '/@x']) {
    const incoming = new IncomingMessage(new Socket());
    Object.assign(incoming, { method: 'POST', url: target });
    nodeListener({ handle })(incoming, new ServerResponse(incoming));
  }
  const mounted = new IncomingMessage(new Socket());
  Object.assign(mounted, { method: 'POST', url: '/', originalUrl: PATH });
  nodeListener({ handle })(mounted, new ServerResponse(mounted));
  await new Promise(setImmediate);
  assert.deepEqual(seen, [PATH, PATH, '//other.example/x', PATH, '/', '/@x', PATH]);
});

test('banks that cannot be told apart, or have no path, are an error that names them', async () => {
  const bank = { issuer: ISSUER, signer: 's', clientId: 'c', keys: (await testBank()).keys };
  const make = (banks: MultiBankReceiverOptions['banks']) => () =>
    createMultiBankReceiver({ banks, onNotification: () => undefined });
  const same = { a: { ...bank, paths: ['/x'] }, b: { ...bank, paths: ['/y', '/x'] } };
  assert.throws(make(same), { name: 'TypeError', message: 'banks: a and b have the same issuer at /x' });
  assert.throws(make({ a: { ...bank, paths: [] } }), /a needs at least one path/);
  assert.throws(make({ a: { ...bank, paths: ['x'] } }), /the path x of a must start with \//);
  assert.throws(make({}), /at least one bank/);
});
