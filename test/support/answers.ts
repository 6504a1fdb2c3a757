import assert from 'node:assert/strict';
import { type Answer, isSignedWith } from '@tidings/testing';
import { checkAgainstOfficial } from './official.ts';

/** A version of the API as it stands in the path. */
export type Version = 'v3.1' | 'v4.0';
export const VERSIONS: readonly Version[] = ['v3.1', 'v4.0'];

/** What was asked, as far as the answer depends on it. */
export interface Asked {
  readonly method: string;
  /** The whole path, with any prefix. */
  readonly path: string;
  readonly sent: Readonly<Record<string, unknown>>;
  /** The bank's public key. */
  readonly jwk: object;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const INTERNALS =
  /node_modules|node:|\.ts\b|FST_|ERR_|sqlite|SELECT |INSERT |UPDATE |\bat .+:\d+:\d+|stack|tidings-test-bank/i;
const WITH_BODY = new Set([200, 201, 400, 409, 500]);

/** Whether a path is that of aggregated polling, whose bodies are not signed. */
export const isOfPolls = (path: string): boolean => path.endsWith('/events');

/** What sections 5 and 7 of the rules say of every answer, whatever came before. */
export function checkAnswer(answer: Answer, asked: Asked): void {
  const { status, headers, headersDistinct, body } = answer;
  const text = body.toString();
  const said = `${status}: ${text}`;
  const ids = headersDistinct['x-fapi-interaction-id'] ?? [];
  assert.equal(ids.length, 1, `one x-fapi-interaction-id in ${said}`);
  assert.match(ids[0] ?? '', UUID);
  const sentId = asked.sent['x-fapi-interaction-id'];
  assert.equal(ids[0] === sentId, typeof sentId === 'string' && UUID.test(sentId), 'echoed only when it is a UUID');
  assert.equal(headers['cache-control'], 'no-store', said);
  assert.equal(headers['x-powered-by'] ?? headers['server'], undefined);
  if (!WITH_BODY.has(status)) assert.equal(text, '', said);
  else assert.equal(headers['content-type'], 'application/json; charset=utf-8');
  checkSigned(answer, asked, said);
  checkAgainstOfficial(asked.method, asked.path.replace(/^.*(?=\/open-banking\/)/, ''), status, body);
  if (status === 405) assert.match(headers.allow ?? '', /^[A-Z]+(, [A-Z]+)*$/);
  if (status === 429) assert.match(headers['retry-after'] ?? '', /^[1-9]\d*$/);
  if (status < 400) return;
  assert.doesNotMatch(text, INTERNALS);
  const version = asked.path.includes('/open-banking/v3.1') ? 'v3.1' : 'v4.0';
  if (text !== '') checkErrorBody(JSON.parse(text), version, { status, id: ids[0] ?? '' });
}

/** POST, PUT and GET of registrations have signed answers; polls and errors have none. */
function checkSigned({ status, headers, body }: Answer, { path, jwk }: Asked, said: string): void {
  const signature = headers['x-jws-signature'];
  if (isOfPolls(path) || (status !== 200 && status !== 201)) assert.equal(signature, undefined, said);
  else assert.ok(isSignedWith(String(signature), jwk, body), `the signature verifies of ${said}`);
}

/** `OBErrorResponse1` of the version that was called. */
function checkErrorBody(body: Record<string, unknown>, version: Version, sent: { status: number; id: string }): void {
  const { Id, Errors, Code, Message, ...more } = body;
  const text = JSON.stringify(body);
  assert.deepEqual(more, {}, text);
  assert.equal(Id, sent.id);
  assert.ok(Array.isArray(Errors) && Errors.length >= 1, text);
  if (version === 'v3.1') {
    assert.ok(typeof Code === 'string' && Code.length <= 40 && Code.startsWith(String(sent.status)), text);
    assert.match(String(Message), /^.{1,500}$/su);
  } else {
    assert.deepEqual([Code, Message], [undefined, undefined], text);
  }
  for (const { ErrorCode, Message: message, Path, Url, ...others } of Errors) {
    assert.deepEqual(others, {}, text);
    assert.match(ErrorCode, version === 'v4.0' ? /^U\d{3}$/ : /^UK\.OBIE\.[A-Za-z.]+$/);
    for (const each of [message, Path, Url]) assert.ok(each === undefined || /^.{1,500}$/su.test(each), text);
    if (version === 'v3.1') assert.ok(typeof message === 'string', text);
  }
}

/** The one error of a refusal: code, and where it is. */
export function errorOf(answer: Answer): { status: number; code?: string; path?: string; url?: string } {
  if (answer.body.length === 0) return { status: answer.status };
  const { ErrorCode: code, Path: path, Url: url } = JSON.parse(answer.body.toString()).Errors[0];
  return { status: answer.status, code, ...(path && { path }), ...(url && { url }) };
}

/** The body of an answer. */
export function bodyOf(answer: Answer): Record<string, unknown> {
  return JSON.parse(answer.body.toString());
}
