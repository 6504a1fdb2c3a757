import { onlineManager, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useLocation, useNavigate, useRouter } from '@tanstack/react-router';
import { lazy, type ReactElement, Suspense, useEffect, useState } from 'react';
import { Offline } from '../api/problem.ts';
import { statusQuery } from '../api/queries.ts';
import { sessionQuery, signOut, useMay } from '../session/session.ts';
import { Icon, type IconName } from '../ui/icon.tsx';
import { Time } from '../ui/time.tsx';

const VIEWS = [
  { to: '/', icon: 'health', text: 'Health' },
  { to: '/tpps', icon: 'tpps', text: 'TPPs' },
  { to: '/notifications', icon: 'notifications', text: 'Notifications' },
  { to: '/live', icon: 'live', text: 'Live' },
  { to: '/signing-keys', icon: 'keys', text: 'Signing keys' },
  { to: '/audit', icon: 'audit', text: 'Audit' },
  { to: '/system', icon: 'system', text: 'System' },
] as const satisfies readonly { to: string; icon: IconName; text: string }[];

const SandboxActions = lazy(async () => ({ default: (await import('./sandbox-actions.tsx')).SandboxActions }));

/** Navigation, who is signed in, and the view of the address. */
export function Shell(): ReactElement {
  const [isMenuOpen, setIsMenuOpen] = useState(false);
  const { pathname } = useLocation();
  const router = useRouter();
  const { data: session } = useQuery({ ...sessionQuery, refetchInterval: 60_000 });
  const mayAct = useMay('operator');
  const isSignedIn = session?.isSignedIn !== false;
  useEffect(() => {
    const { pathname: at, publicHref } = router.state.location;
    if (isSignedIn || at.endsWith('/sign-in')) return;
    void router.navigate({ to: '/sign-in', search: { returnTo: publicHref } });
  }, [isSignedIn, router]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another view closes the menu
  useEffect(() => setIsMenuOpen(false), [pathname]);
  return (
    <div className="shell">
      <a className="skip" href="#view">
        Skip to the view
      </a>
      <header className="bar">
        <span className="brand">Tidings</span>
        <button
          type="button"
          className="menu-button"
          aria-expanded={isMenuOpen}
          aria-controls="views"
          onClick={() => setIsMenuOpen(!isMenuOpen)}
        >
          <Icon name="menu" />
          Menu
        </button>
      </header>
      <div id="views" className={isMenuOpen ? 'side open' : 'side'}>
        {mayAct && session?.isSignedIn === true && session.isOfSandbox && (
          <Suspense>
            <SandboxActions />
          </Suspense>
        )}
        <nav aria-label="Views">
          {VIEWS.map(({ to, icon, text }) => (
            <Link key={to} to={to} activeOptions={{ exact: to === '/', includeSearch: false }}>
              <Icon name={icon} />
              {text}
            </Link>
          ))}
          <a href="/operator/v1/openapi/" target="_blank" rel="noreferrer">
            <Icon name="reference" />
            API reference
          </a>
        </nav>
        <Who />
      </div>
      <main id="view" tabIndex={-1}>
        <OfflineNote />
        <Outlet />
      </main>
    </div>
  );
}

function Who(): ReactElement | null {
  const { data: session } = useQuery(sessionQuery);
  const queries = useQueryClient();
  const navigate = useNavigate();
  if (session?.isSignedIn !== true) return null;
  const end = async () => {
    await signOut();
    queries.setQueryData(sessionQuery.queryKey, { isSignedIn: false });
    await navigate({ to: '/sign-in' });
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] });
  };
  return (
    <section className="who" aria-label="Session">
      <p>
        <strong>{session.name}</strong>
        <br />
        {session.roles.join(', ')}
      </p>
      <p className="help">
        Session ends <Time at={session.endsAt} />
      </p>
      <button type="button" onClick={() => void end()}>
        Sign out
      </button>
    </section>
  );
}

/** Said once for all of a view; what was read before stays. */
function OfflineNote(): ReactElement | null {
  const { error } = useQuery(statusQuery);
  if (!(error instanceof Offline) && onlineManager.isOnline()) return null;
  return (
    <p className="note bad offline" role="alert">
      <Icon name="bad" />
      Offline: the service cannot be reached. What is shown is what was read last; it is tried again every five seconds.
    </p>
  );
}

/** An address that no view has. */
export function NotFound(): ReactElement {
  return (
    <main className="sign-in">
      <div className="card">
        <h1>There is no such view</h1>
        <p>The address may be of another version of the console.</p>
        <Link to="/">Go to Health</Link>
      </div>
    </main>
  );
}
