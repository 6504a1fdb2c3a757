import { runTogether } from './groups.ts';

await runTogether('resources-long');
