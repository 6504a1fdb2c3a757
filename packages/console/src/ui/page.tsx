import type { UseQueryResult } from '@tanstack/react-query';
import { type ReactElement, type ReactNode, useEffect } from 'react';
import { ApiProblem, Offline } from '../api/problem.ts';
import { Icon } from './icon.tsx';

interface PageProps {
  readonly title: string;
  /** Beside the title: a state, an id. */
  readonly beside?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** One view: its heading is the title of the document too. */
export function Page({ title, beside, actions, children }: PageProps): ReactElement {
  useEffect(() => {
    document.title = `${title} · Tidings`;
  }, [title]);
  return (
    <>
      <header className="page-head">
        <h1>{title}</h1>
        {beside}
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </>
  );
}

/** A part of a view with a heading of its own. */
export function Card({
  title,
  beside,
  children,
  className = '',
}: Omit<PageProps, 'actions'> & { readonly className?: string }): ReactElement {
  return (
    <section className={`card ${className}`}>
      <header>
        <h2>{title}</h2>
        {beside}
      </header>
      {children}
    </section>
  );
}

/** Why something is not shown, and what to do about it. */
export function ProblemView({
  error,
  onRetry,
}: {
  readonly error: Error;
  readonly onRetry?: () => void;
}): ReactElement {
  const { title, icon } = describe(error);
  return (
    <div className="state" role="alert">
      <Icon name={icon} />
      <p>
        <strong>{title}</strong>
        <br />
        {error.message}
      </p>
      {onRetry !== undefined && (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

function describe(error: Error): { readonly title: string; readonly icon: 'bad' | 'warn' | 'pause' | 'none' } {
  if (error instanceof Offline) return { title: 'Offline', icon: 'bad' };
  if (!(error instanceof ApiProblem)) return { title: 'Something went wrong in this page', icon: 'bad' };
  switch (error.status) {
    case 401:
      return { title: 'The session has ended', icon: 'pause' };
    case 403:
      return { title: 'Your role does not allow this', icon: 'pause' };
    case 404:
      return { title: 'There is no such thing', icon: 'none' };
    case 501:
      return { title: 'Not configured here', icon: 'none' };
    default:
      return { title: error.status < 500 ? 'Refused' : 'The service has a problem', icon: 'warn' };
  }
}

/** Nothing to show, in words. */
export function Empty({ children }: { readonly children: ReactNode }): ReactElement {
  return <div className="state empty">{children}</div>;
}

export function Loading(): ReactElement {
  return (
    <div className="state" role="status">
      <span className="spinner" />
      Loading…
    </div>
  );
}

type Shown<T> = Pick<UseQueryResult<T>, 'data' | 'error' | 'isPending'> & { readonly refetch: () => unknown };

/** The state of a query: loading, a problem, or its data; data that could not be read again stays, and is said to be old. */
export function Loaded<T>({
  query,
  children,
}: {
  readonly query: Shown<T>;
  readonly children: (data: T) => ReactNode;
}): ReactElement {
  const { data, error, isPending } = query;
  if (data !== undefined) {
    return (
      <>
        {error !== null && <StaleNote error={error} />}
        {children(data)}
      </>
    );
  }
  if (isPending || error === null) return <Loading />;
  return <ProblemView error={error} onRetry={() => void query.refetch()} />;
}

function StaleNote({ error }: { readonly error: Error }): ReactElement {
  return (
    <p className="note warn" role="status">
      <Icon name="warn" />
      {error instanceof Offline ? 'The service cannot be reached' : error.message}; this is what was read last.
    </p>
  );
}
