import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isUuid } from '@tidings/protocol';
import { listenHttps } from '@tidings/testing';
import type { BankError } from '@tidings/tpp';
import { startBank } from './support/fake-bank.ts';

const RESOURCE = { Data: { Status: 'AcceptedSettlementCompleted' } };

test('the resource of a link is fetched over mutual TLS with the token', async (t) => {
  const bank = await startBank(t);
  const { interactionId, ...rest } = await bank.client.fetchResource(`${bank.origin}/resource`);
  assert.deepEqual(rest, { status: 200, body: RESOURCE, signed: false });
  assert.ok(isUuid(interactionId));
  const { method, headers } = bank.seen.at(-1) ?? {};
  assert.equal(method, 'GET');
  assert.equal(headers?.authorization, 'Bearer token-1');
  assert.equal(headers?.['x-fapi-interaction-id'], interactionId);
});

test('for a notification the last allowed link is fetched, whatever its version', async (t) => {
  const bank = await startBank(t);
  const links = [
    { version: 'v4.0', link: `${bank.origin}/first` },
    { version: 'v1', link: `${bank.origin}/resource` },
    { version: 'v9', link: 'https://stranger.example/resource' },
    { version: 'v9', link: 'no url' },
  ];
  assert.deepEqual((await bank.client.fetchResource({ links })).body, RESOURCE);
  assert.equal(bank.seen.at(-1)?.path, '/resource');
});

test('for a notification the link of the highest version that the TPP supports is fetched', async (t) => {
  const bank = await startBank(t, (origin) => ({ resourceOrigins: [origin], resourceVersions: ['3.1.11', 'v4.0'] }));
  bank.instead = ({ path }, response) => {
    if (!path.startsWith('/open-banking/') && path !== '/plain') return false;
    response.end('{}');
    return true;
  };
  const link = (path: string, version = 'v1') => ({ version, link: `${bank.origin}${path}` });
  const [v31, v40, v100] = ['v3.1', 'v4.0', 'v10.0'].map((version) => link(`/open-banking/${version}/pisp/p/1`));
  assert.ok(v31 !== undefined && v40 !== undefined && v100 !== undefined);
  const fetched = async (...links: (typeof v31)[]) => {
    await bank.client.fetchResource({ links });
    return bank.seen.at(-1)?.path;
  };
  assert.equal(await fetched(v40, v31, v100), '/open-banking/v4.0/pisp/p/1');
  assert.equal(await fetched(v100, v31), '/open-banking/v3.1/pisp/p/1');
  // The version that is called is that of the path; rlk[].version counts where the path has none.
  assert.equal(await fetched(link('/plain', '4.0.1'), v31), '/plain');
  await assert.rejects(fetched(v100), {
    kind: 'untrusted',
    message: /supported version \(resourceVersions: 3\.1\.11, v4\.0\)/,
  });
  await bank.client.fetchResource(v100.link);
  assert.equal(bank.seen.at(-1)?.path, '/open-banking/v10.0/pisp/p/1');
  await assert.rejects(startBank(t, { resourceVersions: ['latest'] }), /such as 4\.0/);
});

test('the token never goes to an origin that is not allowed', async (t) => {
  let connections = 0;
  const stranger = await listenHttps(t, (_request, response) => response.end());
  stranger.server.on('connection', () => {
    connections += 1;
  });
  const bank = await startBank(t);
  const { host } = new URL(bank.origin);
  const links = [
    `${stranger.origin}/resource`,
    `http://${host}/resource`,
    `https://user:pass@${host}/resource`,
    `${bank.origin}@127.0.0.1:${stranger.port}/`,
    '/resource',
    '',
  ];
  for (const link of links) await assert.rejects(bank.client.fetchResource(link), { kind: 'untrusted' });
  await assert.rejects(bank.client.fetchResource({ links: [] }), { kind: 'untrusted' });
  assert.equal(connections, 0);
  assert.deepEqual(bank.seen, []);
});

test('without allowed origins every link is rejected', async (t) => {
  const bank = await startBank(t, { resourceOrigins: [] });
  await assert.rejects(bank.client.fetchResource(`${bank.origin}/resource`), { kind: 'untrusted' });
});

test('a redirect to a stranger is a refusal', async (t) => {
  const bank = await startBank(t);
  bank.instead = ({ path }, response) => {
    if (path !== '/resource') return false;
    response.writeHead(302, { location: 'https://stranger.example/' }).end();
    return true;
  };
  await assert.rejects(bank.client.fetchResource(`${bank.origin}/resource`), { kind: 'refused', status: 302 });
});

test('a signature on the resource is verified; an invalid one is untrusted', async (t) => {
  const bank = await startBank(t);
  let signature: string | undefined;
  bank.instead = async (seen, response) => {
    if (seen.path !== '/resource') return false;
    if (signature === undefined) await bank.answer(seen, response, 200, RESOURCE);
    else response.writeHead(200, { 'x-jws-signature': signature }).end('{}');
    return true;
  };
  assert.equal((await bank.client.fetchResource(`${bank.origin}/resource`)).signed, true);
  for (signature of ['', 'e30..e30']) {
    await assert.rejects(bank.client.fetchResource(`${bank.origin}/resource`), { kind: 'untrusted' });
  }
});

test('a missing resource is refused with its codes, invalid JSON is untrusted, an empty one has no body', async (t) => {
  const bank = await startBank(t);
  const answers: [number, string][] = [
    [400, '{"Errors":[{"ErrorCode":"U011"}]}'],
    [200, '{"a":1,"a":2}'],
    [200, ''],
  ];
  bank.instead = ({ path }, response) => {
    if (path !== '/resource') return false;
    const [status, body] = answers.shift() ?? [500, ''];
    response.writeHead(status).end(body);
    return true;
  };
  const fetch = () => bank.client.fetchResource(`${bank.origin}/resource`);
  await assert.rejects(fetch(), (error: BankError) => error.kind === 'refused' && error.codes[0] === 'U011');
  await assert.rejects(fetch(), { kind: 'untrusted' });
  assert.equal((await fetch()).body, undefined);
});

test('options that would weaken the client throw at once', async (t) => {
  for (const origin of ['http://bank.example', 'https://bank.example/path', 'bank.example', '*', 'null']) {
    await assert.rejects(startBank(t, { resourceOrigins: [origin] }), TypeError);
  }
  for (const option of ['issuer', 'baseUrl', 'tokenEndpoint']) {
    await assert.rejects(startBank(t, { [option]: 'http://bank.example' }), TypeError);
  }
});
