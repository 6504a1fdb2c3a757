import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  FINANCIAL_ID_HEADER,
  INTERACTION_ID_HEADER,
  interactionIdOf,
  isUuid,
  SET_MEDIA_TYPE,
  SIGNATURE_HEADER,
} from '../src/index.ts';

const UUID = '93bac548-d2de-4546-b106-880a5018460d';

test('the headers and the media type are those of the standard, lower-cased', () => {
  const names = [INTERACTION_ID_HEADER, FINANCIAL_ID_HEADER, SIGNATURE_HEADER, SET_MEDIA_TYPE];
  assert.deepEqual(names, ['x-fapi-interaction-id', 'x-fapi-financial-id', 'x-jws-signature', 'application/jwt']);
});

describe("the interaction id is the caller's, if it is a UUID, else a fresh one", () => {
  const fresh = () => 'fresh';

  test('a UUID of any version, in any case, is given back as it came', () => {
    fc.assert(fc.property(fc.uuid(), (uuid) => assert.equal(interactionIdOf(uuid, fresh), uuid)));
    assert.equal(interactionIdOf(UUID.toUpperCase(), fresh), UUID.toUpperCase());
  });

  const others = [
    undefined,
    null,
    '',
    'x',
    ` ${UUID}`,
    `${UUID}\n`,
    `${UUID}, ${UUID}`,
    `{${UUID}}`,
    `urn:uuid:${UUID}`,
  ];
  for (const header of [
    ...others,
    UUID.replaceAll('-', ''),
    `${UUID}0`,
    UUID.replace('9', 'g'),
    [UUID],
    [UUID, UUID],
  ]) {
    test(`${JSON.stringify(header) ?? 'none'} is not a UUID`, () => {
      assert.equal(interactionIdOf(header, fresh), 'fresh');
    });
  }

  test('no text is taken for a UUID that holds anything but hexadecimal digits and hyphens', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 36, maxLength: 36 }), (text) => {
        if (isUuid(text)) assert.match(text, /^[0-9a-fA-F-]{36}$/);
      }),
    );
  });
});
