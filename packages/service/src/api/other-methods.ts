import { ApiError } from '@tidings/protocol';
import type { FastifyInstance } from 'fastify';

/** Answers 405, with `Allow`, to the methods that a path does not have; before a body is read. */
export function refuseOtherMethods(app: FastifyInstance, url: string, allowed: readonly string[]): void {
  app.route({
    method: app.supportedMethods.filter((method) => !allowed.includes(method)),
    url,
    config: { isRefusal: true },
    onRequest: async (_request, reply) => {
      reply.header('allow', allowed.join(', '));
      throw new ApiError('MethodNotAllowed', { message: 'method not allowed' });
    },
    handler: () => undefined,
  });
}
