import type { FastifyInstance, RouteOptions } from 'fastify';
import { HttpRefusal } from './http-refusal.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route only refuses: its methods are not among those that are allowed. */
    isRefusal?: true;
  }
}

/** Which methods a listener has, for `Allow` in answers to requests that reach no route. */
export interface AllowedMethods {
  /** An `onRoute` hook. */
  add(this: FastifyInstance, route: RouteOptions): void;
  /** At a path, without its query; all that there are where nothing is at the path. */
  at(path: string): string;
  /** All that there are. */
  all(): string;
}

/** Collects the methods of routes as they are added. */
export function createAllowedMethods(): AllowedMethods {
  const routes: { readonly isAt: RegExp; readonly methods: readonly string[] }[] = [];
  const all = () => write(routes);
  return {
    add: ({ url, method, config }) => {
      if (config?.isRefusal === true) return;
      const pattern = url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+');
      routes.push({ isAt: new RegExp(`^${pattern}$`), methods: [method].flat() });
    },
    at: (path) => write(routes.filter(({ isAt }) => isAt.test(path))) || all(),
    all,
  };
}

function write(routes: readonly { readonly methods: readonly string[] }[]): string {
  return [...new Set(routes.flatMap(({ methods }) => methods))].sort().join(', ');
}

/**
 * Answers 405, with `Allow`, to the methods that a path does not have; before a body is read.
 *
 * @param refusal what is thrown for the error handler. Default: an {@link HttpRefusal}
 */
export function rejectOtherMethods(
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
