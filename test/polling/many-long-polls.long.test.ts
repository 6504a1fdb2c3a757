import { test } from 'node:test';
import { checkHeldPolls } from './held-polls.ts';

test('two thousand long polls wait at once, and one publish each answers them all [6 long-polls-thousands]', (t) =>
  checkHeldPolls(t, 200));
