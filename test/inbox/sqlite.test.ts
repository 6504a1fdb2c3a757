import { describeInboxStore } from './contract.ts';
import { sqliteDatabase } from './databases.ts';

describeInboxStore('SQLite', sqliteDatabase);
