import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { API_ERRORS, ApiError, type ApiErrorCode, errorBody } from '../src/index.ts';

const ID = '93bac548-d2de-4546-b106-880a5018460d';

// Section 7 of the rules, row by row: failure, status, v4.0, v3.1.
const TABLE: readonly (readonly [ApiErrorCode, number, string | undefined, string | undefined])[] = [
  ['ResourceInvalidFormat', 400, 'U010', 'UK.OBIE.Resource.InvalidFormat'],
  ['FieldMissing', 400, 'U004', 'UK.OBIE.Field.Missing'],
  ['FieldInvalid', 400, 'U002', 'UK.OBIE.Field.Invalid'],
  ['FieldUnexpected', 400, 'U005', 'UK.OBIE.Field.Unexpected'],
  ['UnsupportedEventType', 400, 'U024', 'UK.OBIE.Unsupported.EventType'],
  ['HeaderInvalid', 400, 'U006', 'UK.OBIE.Header.Invalid'],
  ['HeaderMissing', 400, 'U007', 'UK.OBIE.Header.Missing'],
  ['SignatureMissing', 400, 'U019', 'UK.OBIE.Signature.Missing'],
  ['SignatureMalformed', 400, 'U018', 'UK.OBIE.Signature.Malformed'],
  ['SignatureMissingClaim', 400, 'U017', 'UK.OBIE.Signature.MissingClaim'],
  ['SignatureInvalidClaim', 400, 'U016', 'UK.OBIE.Signature.InvalidClaim'],
  ['SignatureInvalid', 400, 'U015', 'UK.OBIE.Signature.Invalid'],
  ['ResourceNotFound', 400, 'U011', 'UK.OBIE.Resource.NotFound'],
  ['Forbidden', 403, undefined, undefined],
  ['RulesResourceAlreadyExists', 409, 'U029', 'UK.OBIE.Rules.ResourceAlreadyExists'],
  ['TokenInvalid', 401, undefined, undefined],
  ['PathUnknown', 404, undefined, undefined],
  ['MethodNotAllowed', 405, undefined, undefined],
  ['NotAcceptable', 406, undefined, undefined],
  ['UnsupportedMediaType', 415, undefined, undefined],
  ['RateLimited', 429, undefined, undefined],
  ['UnexpectedError', 500, 'U000', 'UK.OBIE.UnexpectedError'],
  // Not in the table: a body over the limit is refused before it is read.
  ['ContentTooLarge', 413, undefined, undefined],
];
const CODE_OF_STATUS: Record<number, string> = {
  400: '400 BadRequest',
  409: '409 Conflict',
  500: '500 InternalServerError',
};

test('there is one row for every failure of section 7, and no other', () => {
  assert.deepEqual(Object.keys(API_ERRORS).sort(), TABLE.map(([code]) => code).sort());
});

test('no code of either vocabulary stands in two rows', () => {
  const codes = Object.values(API_ERRORS).flatMap(({ v40, v31 }) => [v40, v31].filter((code) => code !== undefined));
  assert.equal(new Set(codes).size, codes.length);
});

describe('every row', () => {
  for (const [code, status, v40, v31] of TABLE) {
    test(`${code} is ${status}, ${v40 ?? 'no body'} on v4.0, ${v31 ?? 'no body'} on v3.1`, () => {
      assert.deepEqual({ ...API_ERRORS[code] }, { status, v40, v31 });
      const error = new ApiError(code, {
        message: 'It is wrong.',
        path: 'Data.Version',
        url: 'https://bank.example/types',
      });
      const entry = { Message: 'It is wrong.', Path: 'Data.Version', Url: 'https://bank.example/types' };
      const onV40 = v40 === undefined ? undefined : { Id: ID, Errors: [{ ErrorCode: v40, ...entry }] };
      assert.deepEqual(errorBody(error, 'v4.0', ID), onV40);
      const summary = { Code: CODE_OF_STATUS[status], Id: ID, Message: 'It is wrong.' };
      const onV31 = v31 === undefined ? undefined : { ...summary, Errors: [{ ErrorCode: v31, ...entry }] };
      assert.deepEqual(errorBody(error, 'v3.1', ID), onV31);
    });
  }
});

describe('an error body', () => {
  test('has no Path and no Url where there is none, not even as null', () => {
    const error = new ApiError('ResourceInvalidFormat', { message: 'The body is not JSON.' });
    const message = 'The body is not JSON.';
    assert.deepEqual(errorBody(error, 'v4.0', ID), { Id: ID, Errors: [{ ErrorCode: 'U010', Message: message }] });
    assert.deepEqual(errorBody(error, 'v3.1', ID), {
      Code: '400 BadRequest',
      Id: ID,
      Message: message,
      Errors: [{ ErrorCode: 'UK.OBIE.Resource.InvalidFormat', Message: message }],
    });
  });

  test('holds messages and paths of at most 500 characters', () => {
    const error = new ApiError('FieldInvalid', { message: 'm'.repeat(1000), path: 'p'.repeat(1000) });
    for (const apiVersion of ['v3.1', 'v4.0'] as const) {
      const body = errorBody(error, apiVersion, ID);
      assert.equal(body?.Errors[0]?.Message?.length, 500);
      assert.equal(body?.Errors[0]?.Path?.length, 500);
      if (body !== undefined && 'Message' in body) assert.equal(body.Message.length, 500);
    }
  });

  test('has codes of 4 characters on v4.0, and of the namespace UK.OBIE on v3.1', () => {
    for (const { v40, v31 } of Object.values(API_ERRORS)) {
      if (v40 !== undefined) assert.match(v40, /^U\d{3}$/);
      if (v31 !== undefined) assert.match(v31, /^UK\.OBIE\.[A-Za-z.]+$/);
      assert.equal(v40 === undefined, v31 === undefined);
    }
  });

  test('is left out where the standard defines no code, since a body without Errors is invalid', () => {
    for (const code of ['Forbidden', 'TokenInvalid', 'PathUnknown'] as const) {
      assert.equal(errorBody(new ApiError(code, { message: 'x' }), 'v4.0', ID), undefined);
      assert.equal(errorBody(new ApiError(code, { message: 'x' }), 'v3.1', ID), undefined);
    }
  });

  test('says an id that is unknown with 400, not 404', () => {
    assert.equal(API_ERRORS.ResourceNotFound.status, 400);
  });
});

test('an ApiError is an Error with the message, the code and the detail', () => {
  const detail = { message: 'It is wrong.', path: 'Data' };
  const error = new ApiError('FieldInvalid', detail);
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.name, error.message, error.code, error.detail],
    ['ApiError', 'It is wrong.', 'FieldInvalid', detail],
  );
});
