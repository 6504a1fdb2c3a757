import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { inlined, operationsOf, resolve } from '../openapi/documented.ts';
import { makeDirectory } from '../registry/directory.ts';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { makeTpp } from '../support/tpp.ts';
import { CALLS, type ExampleCall, SUSPENDED_BEFORE, TPPS_BEFORE, type World } from './operation-calls.ts';

// Every operation of the OpenAPI document that the service serves, called over HTTP: allowed with its least role, refused
// with every lesser one and with none. Every answer is checked against the schema that the document gives it.

const ROLES = ['viewer', 'operator', 'administrator', 'publisher'] as const;
/** Who may do what needs a role. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  viewer: ['viewer', 'operator', 'administrator'],
  operator: ['operator', 'administrator'],
  administrator: ['administrator'],
  publisher: ['publisher', 'operator', 'administrator'],
};

const tokenOf = (role: string) => `token-of-the-${role}-0123456789`;
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const folder = mkdtempSync(join(tmpdir(), 'tidings-operations-'));
const directory = await makeDirectory(folder);
const bank = await startBank({
  clients: ['tpp-a'],
  settings: {
    directory: { issuer: directory.issuer, jwksFile: directory.jwksFile },
    operator: {
      tokens: [
        { name: 'tests', sha256: sha256(OPERATOR_TOKEN), role: 'administrator' },
        ...ROLES.map((role) => ({ name: `a-${role}`, sha256: sha256(tokenOf(role)), role })),
      ],
    },
  },
});
const party = await makeTpp(bank, 'tpp-a');
after(async () => {
  party.close();
  await bank.stop();
  rmSync(folder, { recursive: true });
});

const { operatorUrl } = bank.service;
const document = await fetch(`${operatorUrl}/operator/v1/openapi/operator.json`).then((answer) => answer.json());
const operations = operationsOf(document);
const ajv = new Ajv2020({ strict: false, allErrors: true });
// Its types are of a CommonJS default export.
(addFormats as unknown as (to: Ajv2020) => void)(ajv);
const world = await prepare();

/** A notification that was signed and acknowledged, and the TPPs that the calls are about. */
async function prepare(): Promise<World> {
  await party.create('v4.0', 'event-subscriptions', { Version: '4.0' });
  const jti = (await bank.publish('tpp-a')) ?? assert.fail('there is a notification');
  await party.poll({ maxEvents: 1, returnImmediately: true });
  await party.poll({ maxEvents: 0, returnImmediately: true, ack: [jti] });
  const facts = { organisationId: 'o', softwareStatementId: 's', jwksUrl: 'https://keys.example/jwks' };
  for (const clientId of TPPS_BEFORE) await bank.operate('PUT', `/operator/v1/tpps/${clientId}`, facts);
  for (const clientId of SUSPENDED_BEFORE) await bank.operate('POST', `/operator/v1/tpps/${clientId}/suspend`);
  return { jti, softwareStatement: await directory.sign() };
}

type Found = (typeof operations)[number];

/** Makes the call of an operation, and checks the answer against the document. @returns its status and body */
async function callAs(role: string | undefined, { path, method, operation }: Found, call: ExampleCall) {
  const names = call.path?.(world) ?? {};
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(names[name] ?? assert.fail(name)));
  const body = call.body?.(world);
  const answer = await fetch(`${operatorUrl}${url}${call.query ?? ''}`, {
    method: method.toUpperCase(),
    headers: {
      ...(role !== undefined && { authorization: `Bearer ${tokenOf(role)}` }),
      ...(body !== undefined && { 'content-type': call.contentType ?? 'application/json' }),
    },
    body: body === undefined || typeof body === 'string' ? (body ?? null) : JSON.stringify(body),
  });
  const what = `${answer.status} of ${operation.operationId} as ${role}`;
  const isEndless = call.isEndless === true && answer.status === 200;
  const text = isEndless ? '' : await answer.text();
  await (isEndless ? answer.body?.cancel() : undefined);
  const declared = operation.responses[answer.status] ?? assert.fail(`${what} is not documented: ${text}`);
  const { content } = resolve(declared, document);
  if (content === undefined) assert.equal(text, '', `${what} has a body`);
  else checkBody(text, content, answer.headers.get('content-type') ?? '', what);
  return { status: answer.status, text };
}

function checkBody(text: string, content: Readonly<Record<string, { schema: object }>>, type: string, what: string) {
  const { schema } = content[type.split(';')[0] ?? ''] ?? assert.fail(`${what} came as ${type}`);
  const validate = ajv.compile(inlined(schema, document));
  const value = /[/+]json\b/.test(type) ? JSON.parse(text) : text;
  assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}: ${text}`);
}

test('every operation of the document has a call here, and every call here is one of an operation', () => {
  assert.deepEqual(operations.map(({ operation }) => operation.operationId).toSorted(), Object.keys(CALLS).toSorted());
});

for (const found of operations) {
  const { operation, method } = found;
  const { operationId, 'x-tidings-role': least } = operation;
  const call = CALLS[operationId];
  if (call === undefined) continue;
  if (call.role === 'nobody') {
    test(`${operationId} needs no token`, async () => {
      assert.deepEqual([least, operation.security], [undefined, []]);
      assert.equal((await callAs(undefined, found, call)).status, call.status ?? 200);
    });
    continue;
  }
  const allowed = ALLOWED[call.role] ?? [];
  const forbidden = ROLES.filter((role) => !allowed.includes(role));
  test(`${operationId} is 401 without a token, 403 for ${forbidden.join(', ')}, and allowed for ${call.role}`, async () => {
    assert.equal(least, call.role);
    assert.equal((await callAs(undefined, found, call)).status, 401);
    const before = await newestAudit();
    for (const role of forbidden) {
      const { status, text } = await callAs(role, found, call);
      assert.equal(status, 403, text);
      assert.equal(JSON.parse(text).detail, `This needs the role ${call.role}; "a-${role}" has ${role}.`);
    }
    assert.deepEqual(await newestAudit(), before, 'who is refused changes nothing');
    const { status, text } = await callAs(call.role, found, call);
    assert.equal(status, call.status ?? 200, text);
    if (method === 'get' || call.notAudited !== undefined) return assert.deepEqual(await newestAudit(), before);
    const entry = await newestAudit();
    assert.notEqual(entry.id, before.id, 'it is in the audit');
    const { actor, role, authenticatedBy, from } = entry;
    assert.deepEqual([actor, role, authenticatedBy, from], [`a-${call.role}`, call.role, 'token', '127.0.0.1']);
  });
  test(`${operationId} is allowed for every higher role`, async () => {
    for (const role of allowed) {
      const { status } = await callAs(role, found, call).catch((error: unknown) => assert.fail(String(error)));
      assert.ok(status !== 401 && status !== 403, `${status} for ${role}`);
    }
  });
}

test('what is wrong with a parameter of the path, or with a body that is not taken, is answered as documented', async () => {
  for (const { path, method, operation } of operations) {
    const { operationId, responses } = operation;
    const url = `${operatorUrl}${path.replaceAll(/\{\w+\}/g, 'x%00')}`;
    const send = async (headers: Record<string, string>, body?: string) => {
      const authorization = `Bearer ${OPERATOR_TOKEN}`;
      const answer = await fetch(url, {
        method: method.toUpperCase(),
        headers: { authorization, ...headers },
        ...(body !== undefined && { body }),
      });
      const text = await answer.text();
      assert.ok(responses[answer.status] !== undefined, `${operationId} ${answer.status} is not documented: ${text}`);
      return answer.status;
    };
    const json = { 'content-type': 'application/json' };
    if (path.includes('{'))
      assert.equal(await send(method === 'get' ? {} : json, method === 'get' ? undefined : '{}'), 400);
    if (method === 'get') continue;
    assert.equal(await send({ 'content-type': 'text/plain' }, 'x'), 415, operationId);
    assert.ok(responses[413] !== undefined, operationId);
  }
});

interface AuditShown {
  readonly id?: string;
  readonly actor?: string;
  readonly role?: string;
  readonly authenticatedBy?: string;
  readonly from?: string;
}

async function newestAudit(): Promise<AuditShown> {
  const { body } = await bank.operate('GET', '/operator/v1/audit?limit=1');
  const entries = body['entries'];
  return Array.isArray(entries) ? (entries[0] ?? {}) : {};
}
