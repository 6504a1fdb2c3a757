/** What sources may not reach for directly, as a table; `calls.ts` looks for it. */

export interface Forbidden {
  readonly rule: string;
  readonly remedy: string;
}

const CLOCK: Forbidden = { rule: 'clock', remedy: 'take the time from the injected clock' };
const TIMER: Forbidden = { rule: 'timer', remedy: 'schedule through the injected clock, so that a test can hold it' };
const RANDOM: Forbidden = { rule: 'random', remedy: 'take randomness as an argument' };
const ENVIRONMENT: Forbidden = { rule: 'environment', remedy: 'read it in the CLI or config, and pass the value on' };
const EXIT: Forbidden = { rule: 'exit', remedy: 'return or throw; the CLI sets process.exitCode' };
const FETCH: Forbidden = { rule: 'fetch', remedy: 'take the HTTP client as an argument' };
const CONSOLE: Forbidden = { rule: 'console', remedy: 'use the logger; the CLI prints with base/output.ts' };
const OUTPUT: Forbidden = {
  rule: 'output',
  remedy: 'write with print or printError, which no text of others gets past',
};
const EVAL: Forbidden = { rule: 'eval', remedy: 'never turn text into code' };
const JSON_PARSE: Forbidden = {
  rule: 'json-parse',
  remedy: 'parse with the strict parser of @tidings/protocol: JSON.parse lets the last of two equal members win',
};

/** Global names that may not be used at all, called or handed on. */
export const GLOBALS: Readonly<Record<string, Forbidden>> = {
  console: CONSOLE,
  eval: EVAL,
  fetch: FETCH,
  setTimeout: TIMER,
  setInterval: TIMER,
};

/** Members that may not be used of global objects. */
export const MEMBERS: Readonly<Record<string, Readonly<Record<string, Forbidden>>>> = {
  Date: { now: CLOCK },
  JSON: { parse: JSON_PARSE },
  Math: { random: RANDOM },
  performance: { now: CLOCK },
  process: { env: ENVIRONMENT, exit: EXIT, hrtime: CLOCK, stderr: OUTPUT, stdout: OUTPUT },
};

/** Globals that may not be called; `new` needs no argument for the clock to be read. */
export const CALLED: Readonly<Record<string, Forbidden>> = { Date: CLOCK, Function: EVAL };

/** Named imports that would bring the same in by another door; `*` stands for every name. */
export const IMPORTED: Readonly<Record<string, Readonly<Record<string, Forbidden>>>> = {
  'node:perf_hooks': { performance: CLOCK },
  'node:process': { env: ENVIRONMENT, exit: EXIT, hrtime: CLOCK, stderr: OUTPUT, stdout: OUTPUT },
  'node:timers': { '*': TIMER },
  'node:timers/promises': { '*': TIMER },
};

/** Not excusable by any allow-list: an unverified peer is no peer. */
export const TLS: Forbidden = { rule: 'tls', remedy: 'trust a test authority with `ca` instead' };

/** Only these packages read what strangers send, and so may not use JSON.parse. */
export const STRICT_JSON = /^packages\/(protocol|service|tpp)\//;
