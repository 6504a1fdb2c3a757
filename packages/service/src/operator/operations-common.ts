import type { Operation, Response, Responses } from '../openapi/model.ts';
import { jsonOf, responseRef, schemaRef } from '../openapi/schemas.ts';
import { LEAST_ROLES, type OperationId } from './access.ts';
import { STATUS_TITLES } from './problem.ts';

const REFUSALS: Readonly<Record<string, string>> = {
  400: 'A field is wrong; "field" names it',
  401: 'No token, or one that is not good',
  403: 'The role of the caller is not enough; "x-tidings-role" of the operation is the least one',
  404: 'There is nothing under this path',
  409: 'It contradicts what is there; nothing was changed',
  412: 'The TPP is not as the precondition says; nothing was changed',
  413: 'The body is larger than "operator.bodyBytesMax" allows',
  415: 'The body is not of a type that is taken here',
  429: 'Too much is under way; nothing of it was done. Retry-After says when to try again',
  500: 'Something went wrong here; the log tells more',
  501: 'Not configured here',
  503: 'The store cannot be written now, publishing is closed, or keys of the identity provider cannot be had; nothing was kept. Retry-After says when to try again',
};

/** A response with problem details for each status that is refused with. */
export function problemResponses(): Record<string, Response> {
  return Object.fromEntries(
    Object.entries(REFUSALS).map(([status, why]) => [`Problem${status}`, refusal(status, why)]),
  );
}

function refusal(status: string, description: string): Response {
  const title = STATUS_TITLES[Number(status)] ?? 'Error';
  const value = { type: 'about:blank', title, status: Number(status), detail: `${description}.` };
  return {
    description,
    ...((status === '429' || status === '503') && {
      headers: { 'retry-after': { description: 'Seconds', schema: { type: 'integer' } } },
    }),
    ...((status === '401' || status === '403') && {
      headers: { 'www-authenticate': { description: 'Bearer', schema: { type: 'string' } } },
    }),
    content: { 'application/problem+json': { schema: schemaRef('ProblemDetails'), examples: { example: { value } } } },
  };
}

/** An operation with its refusals; 401, 403, 500 and 503 can come of every one. */
export function operation(
  operationId: OperationId,
  tag: string,
  summary: string,
  rest: Omit<Operation, 'operationId' | 'tags' | 'summary' | 'security' | 'x-tidings-role'>,
  refused: readonly number[] = [],
): Operation {
  const statuses = [...refused, 401, 403, 500, 503].sort((one, other) => one - other);
  const refusals: Responses = Object.fromEntries(statuses.map((status) => [status, responseRef(`Problem${status}`)]));
  const responses = { ...rest.responses, ...refusals };
  const access = { security: [{ operatorToken: [] }], 'x-tidings-role': LEAST_ROLES[operationId] };
  return { operationId, tags: [tag], summary, ...rest, responses, ...access };
}

/** 200 with a body. */
export const ok = (description: string, schema: string): Responses => ({
  200: { description, content: jsonOf(schema) },
});

/** 204. */
export const noContent: Responses = { 204: { description: 'Done' } };
