import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { type FoundOperation, type Json, operationsOf, parametersOf } from '../openapi/documented.ts';
import { OPERATOR_TOKEN, startBank } from '../support/bank.ts';

// What the OpenAPI document says of the parameters in a query, held against what the service does with them.

const DAY_MS = 86_400_000;

const bank = await startBank({ clients: [] });
after(() => bank.stop());
const { operatorUrl } = bank.service;
const document: Json = await fetch(`${operatorUrl}/operator/v1/openapi/operator.json`).then((answer) => answer.json());

// Old enough to be archived, young enough for one answer of the statistics.
const TIME = new Date(Date.now() - 31 * DAY_MS).toISOString();

/** A value of a schema. */
function sampleOf(schema: Json): string {
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.type === 'integer') return String(schema.maximum);
  return schema.format === 'date-time' ? TIME : 'x';
}

/** Values of a schema, from its edges. */
function edgesOf(schema: Json): string[] {
  if (schema.enum !== undefined) return schema.enum;
  if (schema.type === 'integer') return [schema.minimum, schema.maximum].map(String);
  return schema.format === 'date-time' ? [TIME, TIME.replace('Z', '+00:00')] : [];
}

/** Values that are just not of a schema. */
function strangersTo(schema: Json): string[] {
  if (schema.enum !== undefined) return ['', 'x'];
  if (schema.type === 'integer') return ['', 'x', '1.5', String(schema.minimum - 1), String(schema.maximum + 1)];
  if (schema.format === 'date-time') return ['', 'x', '1', '2026', '2026-11-21', TIME.replace('Z', '')];
  const tooShort = schema.minLength === undefined ? [] : ['x'.repeat(schema.minLength - 1)];
  const tooLong = schema.maxLength === undefined ? [] : ['x'.repeat(schema.maxLength + 1)];
  // No store can look for the last.
  return [...tooShort, ...tooLong, 'x\0'];
}

interface Told {
  readonly status: number;
  readonly field: string | undefined;
  readonly detail: string | undefined;
}

/** Asks with one parameter, and with those that must be given. */
async function ask({ path, method, operation }: FoundOperation, name: string, ...values: string[]): Promise<Told> {
  const query = new URLSearchParams();
  for (const each of parametersOf(operation, 'query', document)) {
    if (each.required === true) query.set(each.name, sampleOf(each.schema));
  }
  query.delete(name);
  for (const value of values) query.append(name, value);
  // The last one, since only an assertion that is sent alone goes with a parameter.
  const type = Object.keys(operation.requestBody?.content ?? {}).at(-1);
  const answer = await fetch(`${operatorUrl}${path.replaceAll(/\{\w+\}/g, 'none')}?${query}`, {
    method: method.toUpperCase(),
    headers: { authorization: `Bearer ${OPERATOR_TOKEN}`, ...(type !== undefined && { 'content-type': type }) },
    ...(type !== undefined && { body: type === 'application/jwt' ? 'x' : '{}' }),
  });
  const { status } = answer;
  if (status < 400) {
    // The stream does not end.
    await answer.body?.cancel();
    return { status, field: undefined, detail: undefined };
  }
  const { field, detail }: Json = await answer.json();
  return { status, field, detail };
}

const operations = operationsOf(document);
const asked = operations.filter(({ operation }) => parametersOf(operation, 'query', document).length > 0);

test('there are operations that are asked with parameters', () => assert.ok(asked.length > 8));

for (const found of asked) {
  const { operation } = found;
  const parameters = parametersOf(operation, 'query', document);
  describe(operation.operationId, () => {
    for (const { name, schema } of parameters) {
      test(`takes ${name} as documented`, async () => {
        const { detail } = await ask(found, name, sampleOf(schema));
        assert.doesNotMatch(String(detail), /is not a query parameter/);
        for (const value of edgesOf(schema)) {
          const told = await ask(found, name, value);
          assert.notEqual(told.field, name, `${value}: ${told.detail}`);
        }
        for (const value of strangersTo(schema)) {
          const told = await ask(found, name, value);
          assert.deepEqual([told.status, told.field], [400, name], JSON.stringify(value));
        }
        // A list, which may come in parts.
        if (name === 'kind') return;
        const twice = await ask(found, name, sampleOf(schema), sampleOf(schema));
        assert.deepEqual([twice.status, twice.field], [400, name], 'given twice');
      });
    }
  });
}

const FOR_PROBES: ReadonlySet<string> = new Set(['isAlive', 'isReady', 'getMetrics']);

describe('an unknown query parameter is 400 that names it and the known ones', () => {
  for (const found of operations) {
    const { operation } = found;
    if (FOR_PROBES.has(operation.operationId)) {
      test(`${operation.operationId} ignores it: probes and scrapers may add their own`, async () => {
        assert.equal((await ask(found, 'other', 'x')).status, 200);
      });
      continue;
    }
    test(operation.operationId, async () => {
      const { status, field, detail } = await ask(found, 'other', 'x');
      assert.deepEqual([status, field], [400, 'other']);
      const known = parametersOf(operation, 'query', document).map(({ name }) => name);
      const remedy = known.length === 0 ? 'it has none' : `known parameters are ${known.join(', ')}`;
      assert.equal(detail, `other is not a query parameter of this operation; ${remedy}.`);
    });
  }
});
