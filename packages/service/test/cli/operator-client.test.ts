import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { describe, type TestContext, test } from 'node:test';
import { listenHttp, listenHttps, listenTcp, makeAuthority, testPki, unusedPort } from '@tidings/testing';
import { CliError } from '../../src/cli/cli-error.ts';
import { describeUnreachable, OperatorClient } from '../../src/cli/operator-client.ts';

const { authority } = await testPki();

/** What a command says that calls what is there. */
async function saidOf(t: TestContext, url: string, target: { ca?: string; answerTimeoutMs?: number } = {}) {
  const identity = { cert: undefined, key: undefined };
  const client = new OperatorClient({ url, token: 'token', ca: undefined, ...identity, ...target });
  t.after(() => client.close());
  const error = await client.call({ method: 'GET', path: '/operator/v1/status' }).then(
    () => assert.fail('it was answered'),
    (error: unknown) => error,
  );
  assert.ok(error instanceof CliError, String(error));
  assert.equal(error.exitCode, 1);
  return error.message;
}

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  return (await listenHttp(t, listener)).origin;
}

const problem = (status: number, detail: string): RequestListener => {
  return (_request, response) => response.writeHead(status).end(JSON.stringify({ status, detail }));
};
const CHECK_ADDRESS = /the address in --operator-url or TIDINGS_OPERATOR_URL\.$/;

describe('a command that cannot reach the service says why, and how to point it elsewhere:', () => {
  test('nobody listens', async (t) => {
    const said = await saidOf(t, `http://127.0.0.1:${await unusedPort()}`);
    assert.match(said, /cannot be reached \(ECONNREFUSED\)\. Check that the service is running,/);
    assert.match(said, CHECK_ADDRESS);
  });

  for (const code of ['ENOTFOUND', 'EAI_AGAIN']) {
    test(`the host has no address (${code})`, () => {
      const said = describeUnreachable('https://ops.bank.example:8444', Object.assign(new Error('none'), { code }));
      assert.match(
        said,
        new RegExp(`The host name in https://ops\\.bank\\.example:8444 cannot be resolved \\(${code}\\)`),
      );
      assert.match(said, CHECK_ADDRESS);
    });
  }

  test('its certificate leads to other roots', async (t) => {
    const { port } = await listenHttps(t, () => assert.fail('the token was sent'));
    const said = await saidOf(t, `https://127.0.0.1:${port}`, { ca: (await makeAuthority()).certificatePem });
    assert.match(said, /The certificate of https:\S+ is not trusted \(.*--ca-file or TIDINGS_CA_FILE/);
  });

  test('its certificate is for another host', async (t) => {
    const { port } = await listenHttps(
      t,
      () => assert.fail('the token was sent'),
      (await authority.issue({ ip: '::1' })).tls,
    );
    const said = await saidOf(t, `https://127.0.0.1:${port}`, { ca: authority.certificatePem });
    assert.match(said, /not trusted \(ERR_TLS_CERT_ALTNAME_INVALID\).*use a host name that the certificate contains/);
  });

  test('it speaks TLS, and was called without', async (t) => {
    const { port } = await listenHttps(t, () => undefined);
    const said = await saidOf(t, `http://127.0.0.1:${port}`);
    assert.match(said, /should the address begin with https:\/\/\?/);
    assert.match(said, CHECK_ADDRESS);
  });

  test('it speaks no TLS, and was called with', async (t) => {
    const url = await serving(t, () => undefined);
    assert.match(
      await saidOf(t, url.replace('http:', 'https:')),
      /should the address begin with http:\/\/\?|closed the connection/,
    );
  });

  test('it does not answer', async (t) => {
    const { port } = await listenTcp(t, (socket) => socket.resume());
    const said = await saidOf(t, `http://127.0.0.1:${port}`, { answerTimeoutMs: 50 });
    assert.match(said, /did not answer in time \(UND_ERR_HEADERS_TIMEOUT\): it is overloaded, or a firewall/);
    assert.match(said, CHECK_ADDRESS);
  });

  test('a proxy in front does not reach it', async (t) => {
    const url = await serving(t, (_request, response) => response.writeHead(502).end('<html>Bad Gateway</html>'));
    const said = await saidOf(t, url);
    assert.match(said, /answered with status 502: the service behind it is down/);
    assert.match(said, CHECK_ADDRESS);
  });

  test('something else is there', async (t) => {
    for (const status of [200, 404, 500]) {
      const url = await serving(t, (_request, response) => response.writeHead(status).end('<html></html>'));
      assert.match(await saidOf(t, url), /is not the operator API \(.*\); check --operator-url/);
    }
  });
});

describe('a command that the service refuses says so in its words, and adds what the service cannot know:', () => {
  test('a token that it does not know', async (t) => {
    const said = await saidOf(t, await serving(t, problem(401, 'The token is not known.')));
    assert.match(said, /^The token is not known\. Give a valid token with --token-file or TIDINGS_TOKEN_FILE\.$/);
  });

  test('a role that may not', async (t) => {
    const said = await saidOf(t, await serving(t, problem(403, 'This needs the role administrator; "a" has viewer.')));
    assert.match(
      said,
      /^This needs the role administrator; "a" has viewer\. Give a token of a sufficient role with --token-file/,
    );
  });

  test('a command that an older service does not have', async (t) => {
    const detail = 'There is no GET /operator/v1/status in the operator API; see docs/operator-api.md.';
    const said = await saidOf(t, await serving(t, problem(404, detail)));
    assert.match(
      said,
      /does not support this command because it is older .* use the "tidings" command of its version, or upgrade/,
    );
  });

  test('a thing that is not there', async (t) => {
    const said = await saidOf(t, await serving(t, problem(404, 'There is no notification with this jti.')));
    assert.equal(said, 'There is no notification with this jti.');
  });
});

for (const [header, seconds] of [
  ['7', 7],
  ['Thursday, 01-Jan-98 00:00:00 GMT', 0],
  ['Thu Jan  1 00:00:00 1998', 0],
  ['soon', undefined],
] as const) {
  test(`a refusal with Retry-After "${header}" asks a command to wait ${seconds} s`, async (t) => {
    const url = await serving(t, (_request, response) => response.writeHead(503, { 'retry-after': header }).end());
    const client = new OperatorClient({ url, token: 'token', ca: undefined, cert: undefined, key: undefined });
    t.after(() => client.close());
    const { retryAfterSeconds } = await client.ask({ method: 'GET', path: '/operator/v1/status' });
    assert.equal(retryAfterSeconds, seconds);
  });
}
