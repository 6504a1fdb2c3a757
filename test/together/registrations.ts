import { runTogether } from './groups.ts';

await runTogether('registrations');
