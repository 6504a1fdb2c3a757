import { test } from 'node:test';
import { carryOut } from './tutorial.ts';

test('the tutorial docs/tutorials/operating.md can be carried out word for word, and shows what comes', (t) =>
  carryOut(t, 'docs/tutorials/operating.md'));
