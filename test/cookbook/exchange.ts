import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { isUuid } from '@tidings/protocol';
import { type Answer, answerTo } from '@tidings/testing';
import type { Case } from './cases.ts';

/** Sends each request to a callback URL. @returns the ways in which its answers are wrong, in words */
export async function faultsOf(origin: string, cases: readonly Case[]): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const each of cases) {
    const interactionId = randomUUID();
    const headers = { 'content-type': 'application/jwt', 'x-fapi-interaction-id': interactionId, ...each.headers };
    const answer = await post(origin, headers, each.body);
    const note = (what: string) => faults.push(`${each.name}: ${what}`);
    if (answer.status !== each.status) note(`status ${answer.status}, not ${each.status}`);
    const echoed = answer.headers['x-fapi-interaction-id'];
    if (echoed !== interactionId) note(`x-fapi-interaction-id ${String(echoed)}, not the one that was sent`);
    if (each.status !== 400 || answer.status !== 400) continue;
    const { err, description }: { err?: unknown; description?: unknown } = JSON.parse(answer.body.toString());
    if (typeof err !== 'string' || typeof description !== 'string') note('no err and description');
    if (each.err !== undefined && err !== each.err) note(`err ${String(err)}, not ${each.err}`);
  }
  const [first] = cases;
  assert.ok(first !== undefined);
  const answer = await post(origin, { 'content-type': 'application/jwt' }, first.body);
  if (!isUuid(String(answer.headers['x-fapi-interaction-id']))) faults.push('without an interaction id: no fresh one');
  return faults;
}

/** Sends on a connection of its own: the programs may close theirs after an answer. */
async function post(origin: string, headers: Record<string, string>, body: Case['body']): Promise<Answer> {
  const url = `${origin}/open-banking/v4.0/event-notifications`;
  const length = { 'content-length': Buffer.byteLength(body) };
  const outgoing = request(url, { method: 'POST', headers: { ...headers, ...length }, agent: false });
  const answer = answerTo(outgoing);
  outgoing.end(body);
  return await answer;
}
