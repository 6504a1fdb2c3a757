import { test } from 'node:test';
import { checkHeldPolls } from './held-polls.ts';

// The short form of many-long-polls.long.test.ts.

test('two hundred long polls wait at once, and one publish each answers them all', (t) => checkHeldPolls(t, 20));
