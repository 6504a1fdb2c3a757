import { test } from 'node:test';
import { checkMalformed } from './malformed.ts';

// The short form of malformed.long.test.ts.

test('of a thousand malformed requests none gives a 5xx, a hang or a change of state', (t) => checkMalformed(t, 1000));
