import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkTlsClients } from './tls-clients.ts';

function found(source: string): string[] {
  return checkTlsClients('packages/service/src/net/client.ts', source).map(
    ({ line, found: what }) => `${line} ${what}`,
  );
}

describe('a TLS client that leaves verification to the environment is found:', () => {
  for (const [source, expected] of [
    ["import { Agent } from 'undici';\nnew Agent();", '2 Agent()'],
    ["import { Agent } from 'undici';\nnew Agent({ connect: { ca } });", '2 Agent()'],
    ["import { Pool as P } from 'undici';\nnew P(origin, { connections: 1 });", '2 P()'],
    ["import { request } from 'undici';\nawait request(url, { method: 'GET' });", '2 request()'],
    ["import { fetch } from 'undici';\nawait fetch(url);", '2 fetch()'],
    ["import { ProxyAgent } from 'undici';\n", '1 ProxyAgent'],
    ["import * as undici from 'undici';\n", '1 all of undici'],
    ["import undici from 'undici';\n", '1 all of undici'],
    ["\nconst { Agent } = await import('undici');", "2 import('undici')"],
    ["import { connect } from 'node:tls';\nconnect({ host, ...options });", '2 connect()'],
    ["import { connect } from 'tls';\nconnect({ host, rejectUnauthorized: isStrict });", '2 connect()'],
    ["import { request } from 'node:https';\nrequest(url);", '2 request()'],
    ["import { Agent } from 'node:https';\nnew Agent({ keepAlive: true });", '2 Agent()'],
    ["import { Agent } from 'node:https';\nclass Ours extends Agent {}", '2 Agent()'],
    ["import { connect } from 'node:http2';\nconnect(url);", '2 connect()'],
    ["import { createTransport } from 'nodemailer';\ncreateTransport({ host, tls: { ca } });", '2 createTransport()'],
    ["import { Admin } from '@platformatic/kafka';\nnew Admin({ bootstrapBrokers, tls });", '2 Admin()'],
    ["import { Consumer } from '@platformatic/kafka';\nnew Consumer({ ...options, groupId });", '2 Consumer()'],
    ["import { Producer } from '@platformatic/kafka';\nnew Producer(optionsOf(settings));", '2 Producer()'],
  ] as const) {
    test(source.replaceAll('\n', ' '), () => assert.deepEqual(found(source), [expected]));
  }
});

describe('a TLS client that pins it is not, nor what makes no TLS connection:', () => {
  for (const source of [
    "import { Agent } from 'undici';\nnew Agent({ connect });",
    "import { Agent } from 'undici';\nnew Agent({ connect: connector.connect, pipelining: 1 });",
    "import { Agent } from 'undici';\nnew Agent({ connect: { ca, rejectUnauthorized: true } });",
    "import { request } from 'undici';\nawait request(url, { dispatcher: this.agent });",
    "import { connect } from 'node:tls';\nconnect({ ...options, rejectUnauthorized: true });",
    "import { Agent } from 'node:https';\nclass Ours extends Agent { constructor(o) { super({ ...o, rejectUnauthorized: true }); } }",
    "import { request } from 'node:https';\nrequest(url, { agent, method: 'GET' });",
    "import { connect } from 'node:net';\nconnect({ host, port });",
    "import { createServer } from 'node:https';\ncreateServer({ cert, key });",
    "import { Admin } from '@platformatic/kafka';\nnew Admin(connectionOptions(settings));",
    "import { Consumer } from '@platformatic/kafka';\nnew Consumer({ ...connectionOptions(settings), groupId });",
    "import type { Agent } from 'undici';\nlet agent: Agent;",
  ]) {
    test(source.replaceAll('\n', ' '), () => assert.deepEqual(found(source), []));
  }
});
