import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDatabaseUrl } from '../../src/config/database-url.ts';

test('a URL may name several servers, each with its port, of which one that takes writes is used', () => {
  assert.deepEqual(parseDatabaseUrl('postgresql://a%20b@h1:5433,h2,[::1]:5434/tidings?connect_timeout=2'), {
    servers: [
      { host: 'h1', port: 5433 },
      { host: 'h2', port: 5432 },
      { host: '::1', port: 5434 },
    ],
    ...{ user: 'a b', database: 'tidings', sessionAttributes: 'read-write', connectTimeoutMs: 2000 },
  });
});

test('a single server is taken as it is, unless the URL says what it must be', () => {
  assert.equal(parseDatabaseUrl('postgres://a@h/b').sessionAttributes, undefined);
  assert.equal(parseDatabaseUrl('postgres://a@h/b?target_session_attrs=primary').sessionAttributes, 'primary');
});

for (const [url, why] of [
  ['postgres://a@h1:1,h2:x/b', /must be like/],
  ['postgres://a@h1,,h2/b', /must be like/],
  ['postgres://h1,h2/b', /must be like/],
  ['postgres://a@h1/%ff', /must be like/],
  ['postgres://a@h1/b#c', /must be like/],
  ['postgres://a:s3cret@h1,h2/b', /must not contain the password/],
  ['postgres://a@h1,h2/b?password=s3cret', /must not contain the password/],
  ['postgres://a@h1,h2/b?load_balance_hosts=random', /must not have the parameter load_balance_hosts/],
  ['postgres://a@h1,h2/b?target_session_attrs=any', /target_session_attrs=any; give read-write or primary/],
  ['postgres://a@h1,h2/b?target_session_attrs=standby', /target_session_attrs=standby; give read-write or primary/],
  ['postgres://a@h1,h2/b?connect_timeout=0', /connect_timeout=0; give seconds from 1 to 600/],
  ['postgres://a@h1,h2/b?connect_timeout=1&connect_timeout=2', /must have connect_timeout once/],
] as const) {
  test(`${url.replace('s3cret', '…')} is refused with what is wrong, and without the password`, () => {
    assert.throws(
      () => parseDatabaseUrl(url),
      (error: Error) => why.test(error.message) && !error.message.includes('s3cret'),
    );
  });
}
