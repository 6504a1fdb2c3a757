export { buildProgram } from './main.ts';
export { commandReference, commandsOf, helpOf } from './reference.ts';
