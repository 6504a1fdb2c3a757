import type { FastifyInstance, RouteOptions } from 'fastify';
import { HttpRefusal } from './http-refusal.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route only answers 405; its methods do not count as allowed. */
    isRefusal?: true;
  }
}

/** The methods of a listener's routes, for `Allow` in answers to requests that reach no route. */
export interface AllowedMethods {
  /** An `onRoute` hook. */
  add(this: FastifyInstance, route: RouteOptions): void;
  /** The methods at a path without its query, or all methods where the path has none. */
  at(path: string): string;
  /** All methods of the listener. */
  all(): string;
}

/** Collects the methods of routes as they are added. */
export function createAllowedMethods(): AllowedMethods {
  const routes: { readonly isAt: RegExp; readonly methods: readonly string[] }[] = [];
  const all = () => format(routes);
  return {
    add: ({ url, method, config }) => {
      if (config?.isRefusal === true) return;
      const pattern = url.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:\w+/g, '[^/]+');
      routes.push({ isAt: new RegExp(`^${pattern}$`), methods: [method].flat() });
    },
    at: (path) => format(routes.filter(({ isAt }) => isAt.test(path))) || all(),
    all,
  };
}

function format(routes: readonly { readonly methods: readonly string[] }[]): string {
  return [...new Set(routes.flatMap(({ methods }) => methods))].sort().join(', ');
}

/**
 * Answers 405 with `Allow` to the methods that a path does not have, before the body is read.
 *
 * @param refusal makes the error that is thrown for the error handler. Default: an {@link HttpRefusal}
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
