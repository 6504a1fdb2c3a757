import type { FastifyInstance } from 'fastify';
import { HttpRefusal } from './http-refusal.ts';

/**
 * Answers 405, with `Allow`, to the methods that a path does not have; before a body is read.
 *
 * @param refusal what is thrown for the error handler. Default: an {@link HttpRefusal}
 */
export function refuseOtherMethods(
  app: FastifyInstance,
  url: string,
  allowed: readonly string[],
  refusal: () => Error = () => new HttpRefusal(405, 'The path does not have this method.', {}),
): void {
  app.route({
    method: app.supportedMethods.filter((method) => !allowed.includes(method)),
    url,
    config: { isRefusal: true },
    onRequest: async (_request, reply) => {
      reply.header('allow', allowed.join(', '));
      throw refusal();
    },
    handler: () => undefined,
  });
}
