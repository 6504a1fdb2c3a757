import type { ApiError } from '@tidings/protocol';
import type { Tpp } from '../store/store.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** `x-fapi-interaction-id` of this exchange: the caller's if it is a UUID, else a fresh one. */
    interactionId: string;
    /** Who called, once authenticated; undefined before, and on paths that need no token. */
    tpp: Tpp | undefined;
    /** Why it was refused, for the log; undefined while it is not. */
    refusal: ApiError | undefined;
    /** How many SETs a poll was answered with, for the log; undefined for other requests. */
    setsGiven: number | undefined;
    /** When it arrived, of the monotonic clock. */
    arrivedMs: number;
  }
}
