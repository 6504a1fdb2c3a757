import { API_ERRORS, ApiError, type ApiVersion, errorBody, SIGNATURE_HEADER } from '@tidings/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { HttpRefusal } from '../base/http-refusal.ts';
import { SignerUnavailableError } from '../trust/provider-signer.ts';

const JSON_UTF8 = 'application/json; charset=utf-8';

/** A rate limit was exceeded. */
export class RateLimited extends ApiError {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number, message = 'too many requests in a minute') {
    super('RateLimited', { message });
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Sends a body with its signature over exactly the bytes that are sent. */
export async function sendSigned(
  reply: FastifyReply,
  status: number,
  body: object,
  sign: (bytes: Uint8Array) => Promise<string>,
): Promise<FastifyReply> {
  const bytes = Buffer.from(JSON.stringify(body));
  return sendBytes(reply.header(SIGNATURE_HEADER, await sign(bytes)), status, bytes);
}

/** Sends a body that the standard does not sign. */
export function sendUnsigned(reply: FastifyReply, status: number, body: object): FastifyReply {
  return sendBytes(reply, status, Buffer.from(JSON.stringify(body)));
}

/** Sends the error response of the rules, section 7, in the vocabulary of the API version. */
export function sendError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: ApiError,
  apiVersion: ApiVersion,
): FastifyReply {
  const { status } = API_ERRORS[error.code];
  request.refusal = error;
  reply.code(status);
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  if (error instanceof RateLimited) reply.header('retry-after', error.retryAfterSeconds);
  const body = errorBody(error, apiVersion, request.interactionId);
  return body === undefined ? reply.send() : sendUnsigned(reply, status, body);
}

/** Sends an HTTP-level refusal, without a body, since the standard has no code for it. */
export function sendRefusal(request: FastifyRequest, reply: FastifyReply, refusal: HttpRefusal): FastifyReply {
  request.refusal = refusal;
  return reply.code(refusal.status).headers(refusal.headers).send();
}

/** The error for a method that the path does not have. */
export function methodNotAllowed(): ApiError {
  return new ApiError('MethodNotAllowed', { message: 'method not allowed' });
}

function sendBytes(reply: FastifyReply, status: number, bytes: Buffer): FastifyReply {
  return reply.code(status).header('content-type', JSON_UTF8).send(bytes);
}

/** Maps anything thrown to the error of the response; an unexpected error becomes a 500 without details. */
export function apiErrorOf(error: unknown, request: FastifyRequest): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof SignerUnavailableError) {
    request.log.warn({ why: error.message, interactionId: request.interactionId }, 'a response could not be signed');
    return unexpected();
  }
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new ApiError('ContentTooLarge', { message: 'the body is too large' });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new ApiError('ResourceInvalidFormat', { message: 'The length of the body differs from Content-Length.' });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_TYPE':
      return new ApiError('UnsupportedMediaType', { message: 'the body must be application/json' });
    default:
      request.log.error({ err: error, interactionId: request.interactionId }, 'unexpected error');
      return unexpected();
  }
}

const unexpected = () => new ApiError('UnexpectedError', { message: 'Something went wrong here; try again later.' });
