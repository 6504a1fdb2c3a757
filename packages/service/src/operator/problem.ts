import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { HttpRefusal } from '../base/http-refusal.ts';
import { remoteNetworkOf } from '../base/ip-address.ts';
import type { LogSampler } from '../base/log.ts';
import { StoreError } from '../store/store.ts';

/** The body of an error response: problem details (RFC 9457). */
export const ProblemDetails = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String({ description: 'The error and its remedy, in one sentence' }),
  field: Type.Optional(
    Type.String({ description: 'The field of the body, parameter or header, such as [3].resource.id' }),
  ),
});

/** An error of the operator API, sent as problem details (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly status: number;
  /** Members of the problem besides type, title, status and detail. */
  readonly members: Readonly<Record<string, unknown>>;
  /** When to try again: `Retry-After`; undefined: the default of the status. */
  readonly retryAfterSeconds: number | undefined;

  /** @param message one sentence that names the field and the remedy; the operator reads it */
  constructor(
    status: number,
    message: string,
    members: Readonly<Record<string, unknown>> = {},
    retryAfterSeconds?: number,
  ) {
    super(message);
    this.status = status;
    this.members = members;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Titles of the statuses that are sent. */
export const STATUS_TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  417: 'Expectation Failed',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
};

// A store that is busy or full is looked at again after about this long.
const STORE_RETRY_AFTER_SECONDS = 5;

/**
 * Sends whatever was thrown as a problem; what is not foreseen is a 500 that says nothing.
 *
 * @param sampler which lines are written of calls without a good token; undefined: all
 */
export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  sampler?: LogSampler,
): FastifyReply {
  const problem = problemOf(error, request);
  if (error instanceof HttpRefusal) reply.headers(error.headers);
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer');
  // RFC 6750 section 3.1.
  if (problem.status === 403) reply.header('www-authenticate', 'Bearer error="insufficient_scope"');
  const { status, message, members } = problem;
  const retryAfterSeconds = problem.retryAfterSeconds ?? (status === 503 ? STORE_RETRY_AFTER_SECONDS : undefined);
  if (retryAfterSeconds !== undefined) reply.header('retry-after', retryAfterSeconds);
  const { method, operatorName: operator } = request;
  const isKnown = operator !== '' || sampler === undefined;
  const admitted = isKnown ? {} : sampler.admit(`${remoteNetworkOf(request.socket)} ${status}`);
  const facts = { operator, method, route: request.routeOptions.url, status, why: message };
  if (admitted) request.log.warn({ ...facts, ...admitted }, 'refused');
  const body = { type: 'about:blank', title: STATUS_TITLES[status] ?? 'Error', status, detail: message, ...members };
  return reply
    .code(status)
    .header('content-type', 'application/problem+json')
    .send(Buffer.from(JSON.stringify(body)));
}

function problemOf(error: unknown, request: FastifyRequest): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof StoreError) {
    request.log.error({ err: error }, 'the store did not answer');
    // A 503 would make a publisher retry forever.
    if (error.isLasting) {
      return new Problem(500, 'The store cannot hold what was sent; the log of the service tells what it refused.');
    }
    return new Problem(503, 'The store cannot be written now; nothing of this request was kept. Try again later.');
  }
  if (error instanceof HttpRefusal) return new Problem(error.status, error.message);
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem(413, 'What was sent is larger than "operator.bodyBytesMax" allows; send less at once.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new Problem(400, 'The length of the body differs from Content-Length.');
    // No media type at all, to the framework.
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem(415, 'Content-Type is not a valid media type; send the media type of the body.');
    default:
      request.log.error({ err: error }, 'unexpected error');
      return new Problem(500, 'Something went wrong here; the log of the service tells more.');
  }
}
