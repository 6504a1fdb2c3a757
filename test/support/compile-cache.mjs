// Loaded before the test runner, for it and all that it starts: some two hundred test files and as many commands load the
// same sources, which are compiled once. What is kept goes by the content of each file.
import { join } from 'node:path';

process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../../node_modules/.cache/compile');
