import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type Json, operationsOf, resolve } from './documented.ts';
import { printDocument } from './print.ts';
import { readYaml } from './yaml.ts';

// Our TPP-facing document against the official files, where they lie beside the project.

const FOLDER = process.env['TEST_OFFICIAL_OPENAPI'] ?? join('..', 'shared', 'spec', 'openapi');
const skip =
  !existsSync(FOLDER) && `the official OpenAPI files are not at ${FOLDER} (TEST_OFFICIAL_OPENAPI names another folder)`;

const FILES: readonly (readonly [string, string])[] = [
  ['events-4.0.0.yaml', 'v4.0'],
  ['events-3.1.11.yaml', 'v3.1'],
  ['event-subscriptions-3.1.2.yaml', 'v3.1'],
  ['callback-urls-3.1.2.yaml', 'v3.1'],
];

// What the official files say and we do not, with the reason.
const LEFT_OUT: readonly { readonly where: RegExp; readonly reason: string }[] = [
  { where: / 40[45]$/, reason: 'no operation that there is answers so: it is for other paths and methods' },
  {
    where: /^get \S+ 400$/,
    reason: 'nothing of a GET without body and parameters can be wrong but what has a status of its own',
  },
  { where: /^post \/events 201$/, reason: 'a poll creates nothing: the profile answers it with 200' },
  { where: /^\w+ \S+ parameter Authorization$/, reason: 'OpenAPI 3 has it in the security schemes' },
];

const isLeftOut = (where: string) => LEFT_OUT.some((each) => each.where.test(where));

for (const [file, version] of FILES) {
  describe(`the TPP-facing document beside ${file}`, { skip }, async () => {
    const official = skip === false ? readYaml(readFileSync(join(FOLDER, file), 'utf8')) : { paths: {} };
    const ours = await printDocument('tpp-facing');
    const pairs = operationsOf(official).map(({ path, method, operation }) => ({
      name: `${method} ${path}`,
      theirs: operation,
      mine: ours.paths[`/open-banking/${version}${path}`]?.[method],
    }));

    test('serves every path and method', () => {
      assert.ok(pairs.length >= 4, 'the file was not read');
      for (const { name, mine } of pairs) assert.ok(mine !== undefined, name);
    });

    test('answers with every status', () => {
      for (const { name, theirs, mine } of pairs) {
        for (const status of Object.keys(theirs.responses)) {
          if (isLeftOut(`${name} ${status}`)) continue;
          assert.ok(mine.responses[status] !== undefined, `${name} has no ${status}`);
        }
      }
    });

    test('sends a body with a status where the official file has one, and the same headers', () => {
      for (const { name, theirs, mine } of pairs) {
        for (const status of Object.keys(mine.responses).filter((each) => theirs.responses[each] !== undefined)) {
          const [their, my] = [resolve(theirs.responses[status], official), resolve(mine.responses[status], ours)];
          // 403 and 405 may have a body there; the standard has no code for them, and a body without codes is invalid.
          if (my.content !== undefined && status !== '409') assert.ok(their.content !== undefined, `${name} ${status}`);
          const headers = Object.keys(my.headers ?? {}).map((header) => header.toLowerCase());
          for (const header of Object.keys(their.headers ?? {})) {
            assert.ok(headers.includes(header.toLowerCase()), `${name} ${status} has no ${header}`);
          }
        }
      }
    });

    test('takes every parameter, and demands none that is not demanded there', () => {
      for (const { name, theirs, mine } of pairs) {
        const declared: Json[] = (mine.parameters ?? []).map((each: Json) => resolve(each, ours));
        const expected: Json[] = (theirs.parameters ?? []).map((each: Json) => resolve(each, official));
        for (const { name: parameter, in: place } of expected) {
          if (isLeftOut(`${name} parameter ${parameter}`)) continue;
          assert.ok(
            declared.some((each) => each.name === parameter && each.in === place),
            `${name}: ${parameter}`,
          );
        }
        for (const { name: parameter } of declared.filter((each) => each.required === true)) {
          assert.ok(
            expected.some((each) => each.name === parameter && each.required === true),
            `${name}: ${parameter}`,
          );
        }
      }
    });

    test('has request and response bodies with the same members, of which the same are required', () => {
      for (const { name, theirs, mine } of pairs) {
        if (theirs.requestBody !== undefined) {
          const theirBody = schemaOf(resolve(theirs.requestBody, official), official);
          assert.deepEqual(membersOf(schemaOf(mine.requestBody, ours), ours), membersOf(theirBody, official), name);
        }
        const [status = ''] = Object.keys(mine.responses).filter((each) => each.startsWith('2'));
        const their = schemaOf(resolve(theirs.responses[status], official), official);
        const my = schemaOf(resolve(mine.responses[status], ours), ours);
        assert.deepEqual(membersOf(my, ours), membersOf(their, official), `${name} ${status}`);
      }
    });

    test('has error bodies with the same members, of which the same are required', () => {
      for (const { name, theirs, mine } of pairs) {
        if (isLeftOut(`${name} 400`)) continue;
        const [their, my] = [resolve(theirs.responses['400'], official), resolve(mine.responses[400], ours)];
        assert.deepEqual(errorMembers(my, ours), errorMembers(their, official), name);
      }
    });
  });
}

function schemaOf(body: Json, document: Json): Json {
  const content = Object.entries<Json>(body?.content ?? {}).find(([type]) => /^application\/json\b/.test(type));
  return content === undefined ? undefined : resolve(content[1].schema, document);
}

// `Links` and `Meta` have members for paging there, which a list of zero or one has no use for.
const NOT_LOOKED_INTO = /^(Links|Meta)\./;

/** Every member of a schema with whether it is required. */
function membersOf(schema: Json, document: Json, path = ''): string[] {
  const own = resolve(schema, document);
  if (own === undefined) return [];
  const members = Object.entries<Json>(own.properties ?? {}).flatMap(([name, member]) => {
    const need =
      own.required?.includes(name) === true && !/^(Links|Meta)$/.test(`${path}${name}`) ? 'required' : 'optional';
    return [`${path}${name} ${need}`, ...membersOf(member, document, `${path}${name}.`)];
  });
  const items = own.items === undefined ? [] : membersOf(own.items, document, `${path}[].`);
  const [byPattern] = Object.values<Json>(own.patternProperties ?? {});
  const byName = typeof own.additionalProperties === 'object' ? own.additionalProperties : byPattern;
  const others = byName === undefined ? [] : membersOf(byName, document, `${path}{name}.`);
  return [...members, ...items, ...others].filter((member) => !NOT_LOOKED_INTO.test(member)).sort();
}

// v4.0 keeps the members of v3.1 as deprecated; we do not send them.
const DEPRECATED = /^(Code|Message) optional$/;

function errorMembers(response: Json, document: Json): string[] {
  return membersOf(schemaOf(response, document), document).filter((member) => !DEPRECATED.test(member));
}
