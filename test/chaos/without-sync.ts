import { open } from 'node:fs/promises';

// Loaded before the service by a run with the planted fault: the log of SQLite is not synchronised, and nobody learns of it.
const handle = await open('/dev/null');
const prototype: object = Object.getPrototypeOf(handle);
await handle.close();
Object.assign(prototype, { datasync: () => Promise.resolve() });
