import { test } from 'node:test';
import { checkMalformed } from './malformed.ts';

test('of twenty thousand malformed requests none gives a 5xx, a hang or a change of state', (t) =>
  checkMalformed(t, 20_000));
