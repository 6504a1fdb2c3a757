import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { API_ERRORS, API_VERSIONS, ApiError, type ApiErrorCode, errorBody } from '@tidings/protocol';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { assertOfSchema, inlined, type Json, operationsOf, resolve } from './documented.ts';
import { printDocument } from './print.ts';

// No validator of OpenAPI 3.1 is at hand, so what matters of it is checked here.

const documents: readonly (readonly [string, Json])[] = [
  ['tpp-facing', await printDocument('tpp-facing')],
  ['tpp-facing, polling only', await printDocument('tpp-facing', { realTime: { isOffered: false } })],
  ['tpp-facing, real time only', await printDocument('tpp-facing', { polling: { isOffered: false } })],
  ['operator', await printDocument('operator')],
];

for (const [name, document] of documents) {
  describe(`the ${name} document`, () => {
    test('is OpenAPI 3.1 with a title, a version and a server', () => {
      assert.match(document.openapi, /^3\.1\.\d+$/);
      assert.ok(document.info.title.length > 0 && document.info.version.length > 0);
      assert.ok(document.servers.length > 0);
    });

    test('has no reference that leads nowhere, and no component that nothing refers to', () => {
      const references = new Set(referencesIn(document));
      for (const $ref of references) resolve({ $ref }, document);
      for (const [kind, components] of Object.entries<Json>(document.components)) {
        if (kind === 'securitySchemes') continue;
        for (const name of Object.keys(components)) {
          assert.ok(references.has(`#/components/${kind}/${name}`), `nothing refers to the ${kind} ${name}`);
        }
      }
    });

    test('gives every operation an id of its own, a summary, a known tag and responses', () => {
      const operations = operationsOf(document);
      const ids = operations.map(({ operation }) => operation.operationId);
      assert.equal(new Set(ids).size, ids.length);
      const tags = new Set(document.tags.map((tag: Json) => tag.name));
      for (const { operation } of operations) {
        assert.match(operation.operationId, /^[A-Za-z][A-Za-z0-9]*$/);
        assert.ok(operation.summary.length > 0, operation.operationId);
        assert.ok(
          operation.tags.every((tag: string) => tags.has(tag)),
          operation.operationId,
        );
        const statuses = Object.keys(operation.responses);
        assert.ok(
          statuses.some((status) => status.startsWith('2')),
          operation.operationId,
        );
        for (const response of Object.values(operation.responses)) {
          assert.ok(resolve(response, document).description.length > 0);
        }
      }
    });

    test('declares every parameter of a path, and nothing else as one', () => {
      for (const { path, operation } of operationsOf(document)) {
        if (path.startsWith('{$')) continue;
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
        const declared = (operation.parameters ?? []).map((each: Json) => resolve(each, document));
        const required = declared.filter((each: Json) => each.in === 'path');
        assert.deepEqual(
          required.map((each: Json) => each.name),
          inPath,
          path,
        );
        assert.ok(
          required.every((each: Json) => each.required === true),
          path,
        );
      }
    });

    test('names only security schemes that it defines', () => {
      const schemes = Object.keys(document.components.securitySchemes);
      for (const { operation } of operationsOf(document)) {
        for (const scheme of operation.security.flatMap(Object.keys)) assert.ok(schemes.includes(scheme), scheme);
      }
    });

    test('holds schemas that compile, and examples that are of them', () => {
      for (const schema of Object.values(document.components.schemas)) Compile(inlined(schema, document) as TSchema);
      let examples = 0;
      for (const content of contentsIn(document)) {
        for (const { value } of Object.values<Json>(content.examples ?? {})) {
          assertOfSchema(value, content.schema, document, 'an example');
          examples += 1;
        }
      }
      assert.ok(examples > 0);
    });
  });
}

describe('the TPP-facing document', () => {
  const [, [, pollingOnly], [, realTimeOnly]] = documents as [Json, [string, Json], [string, Json]];
  const paths = (document: Json) => Object.keys(document.paths).filter((path) => path.includes('v4.0'));

  test('holds only what the configuration offers', async () => {
    const subscriptions = [
      '/open-banking/v4.0/event-subscriptions',
      '/open-banking/v4.0/event-subscriptions/{EventSubscriptionId}',
    ];
    assert.deepEqual(paths(pollingOnly), [...subscriptions, '/open-banking/v4.0/events']);
    assert.deepEqual(paths(realTimeOnly), [
      ...subscriptions,
      '/open-banking/v4.0/callback-urls',
      '/open-banking/v4.0/callback-urls/{CallbackUrlId}',
    ]);
    assert.deepEqual(
      paths(await printDocument('tpp-facing', { polling: { isOffered: false }, callbackUrls: { isOffered: false } })),
      subscriptions,
    );
  });

  test('says that CallbackUrl is refused, and with which code, where no real time is offered', () => {
    const { post } = pollingOnly.paths['/open-banking/v4.0/event-subscriptions'];
    assert.equal(post.callbacks, undefined);
    assert.ok('FieldUnexpected' in post.responses[400].content['application/json'].examples);
    assert.ok(
      !(
        'FieldUnexpected' in
        realTimeOnly.paths['/open-banking/v4.0/event-subscriptions'].post.responses[400].content['application/json']
          .examples
      ),
    );
  });

  test('has the prefix and the public URL in its server', () => {
    assert.equal(realTimeOnly.servers[0].url, 'https://events.bank.example/psd2');
  });

  test('has error bodies for exactly what the one table of errors writes', async () => {
    const document = await printDocument('tpp-facing');
    for (const apiVersion of API_VERSIONS) {
      const $ref = `#/components/schemas/OBErrorResponse1${apiVersion === 'v4.0' ? 'V40' : 'V31'}`;
      for (const code of Object.keys(API_ERRORS) as ApiErrorCode[]) {
        const detail = { message: 'm', path: 'Data.Version', url: 'https://bank.example/' };
        const body = errorBody(new ApiError(code, detail), apiVersion, '93bac548-d2de-4546-b106-880a5018460d');
        if (body !== undefined) assertOfSchema(body, { $ref }, document, code);
      }
    }
  });
});

describe('the operator document', () => {
  test('closes every object whose members it names, but for those that others define', async () => {
    const open = openObjects((await printDocument('operator')).components.schemas, '');
    assert.deepEqual(open.toSorted(), [
      // Its extension attributes.
      'CloudEvent',
      // A JWK.
      'Evidence.signingKey',
      // RFC 9457 section 3.2.
      'ProblemDetails',
      // Two JWKS.
      'RegisteredTpp.jwks',
      'TppToRegister.jwks',
    ]);
  });
});

/** Where objects stand whose schema names members, and takes others. */
function openObjects(value: Json, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const namesMembers = Object.keys(value.properties ?? {}).length > 0;
  const isOpen = namesMembers && value.additionalProperties !== false;
  const inner = Object.entries<Json>(value).flatMap(([name, each]) => {
    const isStep = ['properties', 'items', 'anyOf', 'oneOf', 'allOf'].includes(name) || Array.isArray(value);
    return openObjects(each, isStep ? path : [path, name].filter(Boolean).join('.'));
  });
  return isOpen ? [path, ...inner] : inner;
}

function referencesIn(value: Json): string[] {
  if (Array.isArray(value)) return value.flatMap(referencesIn);
  if (typeof value !== 'object' || value === null) return [];
  const own = typeof value.$ref === 'string' ? [value.$ref] : [];
  return [...own, ...Object.values(value).flatMap(referencesIn)];
}

/** Every media type object of a document. */
function contentsIn(value: Json): Json[] {
  if (Array.isArray(value)) return value.flatMap(contentsIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries<Json>(value).flatMap(([name, inner]) =>
    name === 'content' ? Object.values<Json>(inner) : contentsIn(inner),
  );
}
