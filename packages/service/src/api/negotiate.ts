import { ApiError, isUtf8, parseMediaType } from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';

const ACCEPTED_RANGES = new Set(['application/json', 'application/*', '*/*']);

/** Refuses a body that is not `application/json`, with no other parameter than `charset=utf-8`. @throws {ApiError} */
export function checkContentType(request: FastifyRequest): void {
  const type = parseMediaType(request.headers['content-type']);
  const isJson = type?.essence === 'application/json' && isUtf8(type);
  if (isJson && [...type.parameters.keys()].every((name) => name === 'charset')) return;
  throw new ApiError('UnsupportedMediaType', { message: 'the body must be application/json' });
}

/** Refuses a caller that would not accept JSON (RFC 9110 section 12.5.1). @throws {ApiError} */
export function checkAccept(request: FastifyRequest): void {
  const { accept } = request.headers;
  if (accept === undefined || accept.trim() === '') return;
  const acceptable = accept.split(',').some((entry) => {
    const [range = '', ...parameters] = entry.split(';').map((part) => part.trim().toLowerCase());
    return ACCEPTED_RANGES.has(range) && !parameters.some((parameter) => /^q\s*=\s*0(?:\.0*)?$/.test(parameter));
  });
  if (!acceptable) throw new ApiError('NotAcceptable', { message: 'answers are application/json' });
}
