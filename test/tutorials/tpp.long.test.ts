import { test } from 'node:test';
import { carryOut } from './tutorial.ts';

test('the tutorial docs/tutorials/tpp.md can be carried out word for word, and shows what comes', (t) =>
  carryOut(t, 'docs/tutorials/tpp.md'));
