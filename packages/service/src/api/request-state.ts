import type { ApiError } from '@tidings/protocol';
import type { HttpRefusal } from '../base/http-refusal.ts';
import type { Tpp } from '../model/tpp.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who called, once authenticated; undefined before, and on paths that need no token. */
    tpp: Tpp | undefined;
    /** When the access token expires; undefined: before authentication, or nobody knows when. */
    tokenExpiresAtMs: number | undefined;
    /** Thumbprint of the client certificate, or else the remote address; undefined where nobody was asked. */
    peer: string | undefined;
    /** Why it was refused, for the log; undefined while it is not. */
    refusal: ApiError | HttpRefusal | undefined;
    /** How many SETs a poll was answered with, for the log; undefined for other requests. */
    setsGiven: number | undefined;
  }
}
