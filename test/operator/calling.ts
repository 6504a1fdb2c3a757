import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertDocumented } from '../openapi/documented.ts';
import { type Bank, OPERATOR_TOKEN } from '../support/bank.ts';
import { type CliRun, runCli } from '../support/cli.ts';
import { checkProblem } from '../support/problem.ts';

/** An answer of the operator API. */
export interface OperatorAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects of an answer
  readonly body: any;
}

export type CallOperator = (method: string, path: string, body?: unknown) => Promise<OperatorAnswer>;

/** Calls the operator API. Every answer is checked against the OpenAPI document, every refusal as a problem. */
export function operatorCalls(bank: Bank): CallOperator {
  const { operatorUrl } = bank.service;
  const headers = { authorization: `Bearer ${OPERATOR_TOKEN}`, 'content-type': 'application/json' };
  let document: Promise<unknown> | undefined;
  return async (method, path, body) => {
    document ??= fetch(`${operatorUrl}/operator/v1/openapi/operator.json`).then((answer) => answer.json());
    const sent = body === undefined ? null : JSON.stringify(body);
    const answer = await fetch(`${operatorUrl}${path}`, { method, headers, body: sent });
    const text = await answer.text();
    const { status } = answer;
    const told = { status, text, headers: Object.fromEntries(answer.headers) };
    assertDocumented(await document, method, path, told);
    const value = text === '' ? undefined : JSON.parse(text);
    if (status >= 400) checkProblem(value, status, value.field);
    return { status, headers: answer.headers, body: value };
  };
}

/** Lines of the log of a bank with this message. */
export function loggedOf(bank: Bank, message: string): Record<string, unknown>[] {
  return bank
    .log()
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter(({ msg }) => msg === message);
}

/** Runs the command line against the operator API of a bank. */
export function cliOf(bank: Bank): (...args: string[]) => Promise<CliRun> {
  const tokenFile = join(bank.folder, 'operator-token');
  writeFileSync(tokenFile, OPERATOR_TOKEN, { mode: 0o600 });
  const environment = { TIDINGS_OPERATOR_URL: bank.service.operatorUrl.replace('localhost', '127.0.0.1') };
  return (...args) => runCli(args, { ...environment, TIDINGS_TOKEN_FILE: tokenFile });
}

/** Fails the test when a command did not end with 0. @returns what it printed */
export function printed({ code, stdout, stderr }: CliRun): string {
  assert.equal(code, 0, stderr);
  return stdout;
}
