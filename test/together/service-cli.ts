import { runTogether } from './groups.ts';

await runTogether('service-cli');
