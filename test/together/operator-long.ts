import { runTogether } from './groups.ts';

await runTogether('operator-long');
