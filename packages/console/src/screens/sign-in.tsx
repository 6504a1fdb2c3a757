import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router';
import { type FormEvent, type ReactElement, useEffect, useRef } from 'react';
import { RETURN_TO, sessionQuery, signIn } from '../session/session.ts';
import { Icon } from '../ui/icon.tsx';

const PROBLEMS: Readonly<Record<string, string>> = {
  expired: 'The sign-in was begun too long ago, or in another browser; begin again.',
  refused: 'The identity provider did not sign you in; the log of the service says why.',
  unavailable: 'The identity provider does not answer now; try again in a moment.',
  'no-role': 'You are known to the identity provider, and have no role here; ask for one.',
};

interface AtProviderProps {
  readonly problem: string | undefined;
  readonly returnTo: string | undefined;
}

/** Sign-in at the bank's identity provider, where there is one. */
function AtProvider({ problem, returnTo }: AtProviderProps): ReactElement | null {
  const { data } = useQuery(sessionQuery);
  if (data?.isSignedIn !== false || data.hasIdentityProvider !== true) return null;
  return (
    <>
      {problem !== undefined && (
        <p className="note bad" role="alert">
          <Icon name="bad" />
          {PROBLEMS[problem] ?? PROBLEMS['refused']}
        </p>
      )}
      <a
        className="button"
        href="/console/sign-in/start"
        onClick={() => returnTo !== undefined && sessionStorage.setItem(RETURN_TO, returnTo)}
      >
        Sign in with the bank's identity provider
      </a>
    </>
  );
}

/** Exchanges an operator token for a session. */
export function SignIn(): ReactElement {
  const { returnTo, problem } = useSearch({ from: '/sign-in' });
  const navigate = useNavigate();
  const { history } = useRouter();
  const queries = useQueryClient();
  const field = useRef<HTMLInputElement>(null);
  const signing = useMutation({
    mutationFn: signIn,
    onSuccess: async () => {
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] });
      // One that was asked for before the sign-in would say that nobody is signed in.
      await queries.cancelQueries({ queryKey: sessionQuery.queryKey });
      await queries.fetchQuery({ ...sessionQuery, staleTime: 0 });
      // Only a path of the console: the address is anybody's to write.
      if (returnTo?.startsWith('/console/')) history.push(returnTo);
      else await navigate({ to: '/' });
    },
    onError: () => field.current?.focus(),
  });
  const sign = signing.mutate;
  useEffect(() => {
    document.title = 'Sign in · Tidings';
    field.current?.focus();
    // A link that a program of this machine printed; the part behind # is sent to nobody, and does not stay in the address.
    const given = /^#token=([\w.~+/=-]+)$/.exec(window.location.hash)?.[1];
    if (given === undefined) return;
    window.history.replaceState(window.history.state, '', window.location.pathname);
    sign(given);
  }, [sign]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const token = field.current?.value.trim() ?? '';
    if (token !== '') signing.mutate(token);
  };
  return (
    <main className="sign-in">
      <form onSubmit={submit} className="card">
        <h1>Tidings</h1>
        <p>Event notifications to third parties: the operators' console.</p>
        <AtProvider problem={problem} returnTo={returnTo} />
        <label htmlFor="token">Operator token</label>
        <input
          id="token"
          ref={field}
          type="password"
          autoComplete="current-password"
          aria-describedby="token-help"
          aria-invalid={signing.isError}
          required
        />
        <p id="token-help" className="help">
          One of <code>operator.tokens</code>, or an access token of the identity provider. The browser keeps no copy of
          it: it is exchanged for a session that ends by itself.
        </p>
        {signing.error !== null && (
          <p className="note bad" role="alert">
            <Icon name="bad" />
            {signing.error.message}
          </p>
        )}
        <button type="submit" className="primary" disabled={signing.isPending}>
          {signing.isPending ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
