import type { FastifyInstance, RouteOptions } from 'fastify';

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
