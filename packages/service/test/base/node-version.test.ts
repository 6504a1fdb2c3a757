import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeFault } from '../../src/base/process.ts';

for (const version of ['24.21.0', '24.21.7', '26.8.0', '26.9.0']) {
  test(`Node.js ${version} is known to leak`, () => assert.match(nodeFault(version) ?? '', /leaks memory/));
}

for (const version of ['24.0.0', '24.20.0', '24.22.1', '25.21.0', '26.7.0', '26.10.0', '30.0.0']) {
  test(`nothing is known against Node.js ${version}`, () => assert.equal(nodeFault(version), undefined));
}
