import { ApiError } from '@tidings/protocol';
import type { FastifyRequest } from 'fastify';

const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;
const ACCEPTED_RANGES = new Set(['application/json', 'application/*', '*/*']);

/** Refuses a body that is not `application/json`, with or without `charset=utf-8`. @throws {ApiError} */
export function checkContentType(request: FastifyRequest): void {
  if (JSON_TYPE.test(request.headers['content-type'] ?? '')) return;
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
