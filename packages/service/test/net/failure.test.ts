import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyFailure } from '../../src/net/failure.ts';

function errorWith(code: string, cause?: unknown): Error {
  return Object.assign(new Error('text of the other side', { cause }), { code });
}

const CLASSES: readonly (readonly [string, string])[] = [
  ['ENOTFOUND', 'dns'],
  ['EAI_AGAIN', 'dns'],
  ['ECONNREFUSED', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['CERT_HAS_EXPIRED', 'tls'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls'],
  ['PATH_LENGTH_EXCEEDED', 'tls'],
  ['ETIMEDOUT', 'timeout'],
  ['UND_ERR_CONNECT_TIMEOUT', 'timeout'],
  ['ECONNRESET', 'reset'],
  ['UND_ERR_SOCKET', 'reset'],
  ['HPE_INVALID_CONSTANT', 'malformed'],
  ['UND_ERR_HEADERS_OVERFLOW', 'oversized'],
  ['DNS_ESERVFAIL', 'dns'],
  ['FORBIDDEN_ADDRESS private', 'forbidden-address'],
];

for (const [code, errorClass] of CLASSES) {
  test(`${code} is ${errorClass}, and the detail is the code`, () => {
    assert.deepEqual(classifyFailure(errorWith(code)), { errorClass, detail: code });
  });
}

test('the innermost cause that is known decides', () => {
  const error = errorWith('UND_ERR_SOCKET', errorWith('SOMETHING_NEW', errorWith('CERT_REVOKED')));
  assert.deepEqual(classifyFailure(error), { errorClass: 'tls', detail: 'CERT_REVOKED' });
});

test('of several addresses that were tried, the first that is known decides', () => {
  const error = new AggregateError([errorWith('ECONNREFUSED'), errorWith('ENETUNREACH')], 'all failed');
  assert.deepEqual(classifyFailure(error), { errorClass: 'connect', detail: 'ECONNREFUSED' });
});

test('what is not known is reset, with whatever name it has, and never with its message', () => {
  assert.deepEqual(classifyFailure(errorWith('SOMETHING_NEW')), { errorClass: 'reset', detail: 'SOMETHING_NEW' });
  assert.deepEqual(classifyFailure(new RangeError('secret')), { errorClass: 'reset', detail: 'RangeError' });
  assert.deepEqual(classifyFailure('text'), { errorClass: 'reset', detail: 'unknown' });
});

test('errors that are each their own cause end', () => {
  const error = new Error('round');
  error.cause = error;
  assert.deepEqual(classifyFailure(error), { errorClass: 'reset', detail: 'Error' });
});
