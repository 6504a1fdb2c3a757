import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from '@tanstack/react-router';
import { queryClient } from './query-client.ts';
import { Health } from './screens/health.tsx';
import { NotFound, Shell } from './screens/shell.tsx';
import { SignIn } from './screens/sign-in.tsx';
import { RETURN_TO, sessionQuery } from './session/session.ts';
import { Loading, ProblemView } from './ui/page.tsx';

/** The text members of a search that are named; everything else of an address is passed over. */
function texts<const Name extends string>(...names: readonly Name[]) {
  return (search: Record<string, unknown>): { [Key in Name]?: string } => {
    const given = names.flatMap((name) => {
      const value = search[name];
      return typeof value === 'string' || typeof value === 'number' ? [[name, String(value)] as const] : [];
    });
    return Object.fromEntries(given) as { [Key in Name]?: string };
  };
}

const rootRoute = createRootRoute({ notFoundComponent: NotFound });

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/sign-in',
  validateSearch: texts('returnTo', 'problem'),
  component: SignIn,
});

const shellRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'shell',
  component: Shell,
  beforeLoad: async ({ location }) => {
    const session = await queryClient.ensureQueryData(sessionQuery);
    if (!session.isSignedIn) throw redirect({ to: '/sign-in', search: { returnTo: location.publicHref } });
    const returnTo = sessionStorage.getItem(RETURN_TO);
    sessionStorage.removeItem(RETURN_TO);
    if (returnTo?.startsWith('/console/')) throw redirect({ href: returnTo });
  },
});

const shell = { getParentRoute: () => shellRoute } as const;

const healthRoute = createRoute({ ...shell, path: '/', component: Health });

const tppsRoute = createRoute({
  ...shell,
  path: '/tpps',
  validateSearch: texts('search', 'state'),
  component: lazyRouteComponent(() => import('./screens/tpps.tsx'), 'Tpps'),
});

const tppRoute = createRoute({
  ...shell,
  path: '/tpps/$clientId',
  validateSearch: texts('tab'),
  component: lazyRouteComponent(() => import('./screens/tpp.tsx'), 'OneTpp'),
});

const notificationsRoute = createRoute({
  ...shell,
  path: '/notifications',
  validateSearch: texts('id', 'client', 'type', 'state', 'from', 'before', 'open'),
  component: lazyRouteComponent(() => import('./screens/notifications.tsx'), 'Notifications'),
});

const notificationRoute = createRoute({
  ...shell,
  path: '/notifications/$jti',
  component: lazyRouteComponent(() => import('./screens/notification.tsx'), 'OneNotification'),
});

const liveRoute = createRoute({
  ...shell,
  path: '/live',
  validateSearch: texts('client', 'kind'),
  component: lazyRouteComponent(() => import('./screens/live.tsx'), 'Live'),
});

const keysRoute = createRoute({
  ...shell,
  path: '/signing-keys',
  component: lazyRouteComponent(() => import('./screens/signing-keys.tsx'), 'SigningKeys'),
});

const auditRoute = createRoute({
  ...shell,
  path: '/audit',
  validateSearch: texts('actor', 'action', 'subject'),
  component: lazyRouteComponent(() => import('./screens/audit.tsx'), 'Audit'),
});

const systemRoute = createRoute({
  ...shell,
  path: '/system',
  component: lazyRouteComponent(() => import('./screens/system.tsx'), 'System'),
});

const routeTree = rootRoute.addChildren([
  signInRoute,
  shellRoute.addChildren([
    ...[healthRoute, tppsRoute, tppRoute, notificationsRoute, notificationRoute],
    ...[liveRoute, keysRoute, auditRoute, systemRoute],
  ]),
]);

export const router = createRouter({
  routeTree,
  basepath: '/console',
  defaultPreload: 'intent',
  scrollRestoration: true,
  defaultPendingComponent: Loading,
  defaultErrorComponent: ({ error, reset }) => (
    <ProblemView error={error instanceof Error ? error : new Error(String(error))} onRetry={reset} />
  ),
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
