import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importOptional } from '../../src/base/optional-package.ts';
import { StartUpError } from '../../src/base/start-up-error.ts';

test('a package that is not installed is undefined, one that lacks another cannot be loaded', async () => {
  assert.equal(await importOptional('@tidings/no-such-package/part'), undefined);
  const lacksAnother = () => import(`data:text/javascript,${encodeURIComponent('import "@tidings/no-such-package";')}`);
  await assert.rejects(importOptional('@tidings/another', lacksAnother), (error) => {
    assert.ok(error instanceof StartUpError);
    assert.match(error.message, /^The package @tidings\/another cannot be loaded: .*no-such-package/);
    return true;
  });
});
