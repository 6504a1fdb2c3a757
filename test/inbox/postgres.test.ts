import { describeInboxStore } from './contract.ts';
import { postgresDatabase } from './databases.ts';

describeInboxStore('PostgreSQL', postgresDatabase);
