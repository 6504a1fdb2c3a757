import { after } from 'node:test';
import { temporaryFolder } from '@tidings/testing';
import { testInterruptedAfter } from './interrupted-sandbox.ts';

// Early steps; sandbox.test.ts interrupts it later.

const folder = temporaryFolder();
after(() => folder.remove());
testInterruptedAfter('pki', folder.path);
testInterruptedAfter('start', folder.path);
