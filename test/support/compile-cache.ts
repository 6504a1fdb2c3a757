import { enableCompileCache } from 'node:module';
import { join } from 'node:path';

// Loaded before the runner of the tests and each test file. Several hundred processes compile the same few hundred files: with
// what the first of them compiled kept on disk, a run of the command line costs half of its CPU time.

process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '..', '..', 'node_modules', '.cache', 'node');
enableCompileCache(process.env['NODE_COMPILE_CACHE']);
