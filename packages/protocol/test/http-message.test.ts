import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MessageHead, messageFault } from '@tidings/protocol';

const GOOD = { httpVersion: '1.1', hosts: ['bank.example'], transferCoding: undefined } satisfies MessageHead;

test('a request with one Host and no transfer coding but chunked has no fault', () => {
  for (const host of ['bank.example', 'bank.example:8443', '127.0.0.1', '[::1]:443', 'bank.example:', '']) {
    assert.equal(messageFault({ ...GOOD, hosts: [host] }), undefined, host);
  }
  for (const transferCoding of [null, 'chunked', 'Chunked']) {
    assert.equal(messageFault({ ...GOOD, transferCoding }), undefined, `${transferCoding}`);
  }
  assert.equal(messageFault({ ...GOOD, httpVersion: '1.0', hosts: [] }), undefined);
  assert.equal(messageFault({ ...GOOD, httpVersion: undefined, hosts: [] }), undefined);
});

test('a Host that is missing, repeated or malformed is 400', () => {
  for (const hosts of [[], ['a', 'b'], ['a', 'a'], ['user@a'], ['a b'], ['a/b'], ['a:b'], ['a,b']]) {
    const fault = messageFault({ ...GOOD, hosts });
    assert.equal(fault?.status, 400, hosts.join());
    assert.match(fault.message, /^Host /);
  }
});

test('a transfer coding other than chunked is 501, and any is 400 in HTTP/1.0', () => {
  for (const transferCoding of ['gzip', 'gzip, chunked', 'chunked, chunked', 'identity', '']) {
    assert.equal(messageFault({ ...GOOD, transferCoding })?.status, 501, transferCoding);
  }
  assert.equal(messageFault({ ...GOOD, httpVersion: '1.0', transferCoding: 'chunked' })?.status, 400);
});
