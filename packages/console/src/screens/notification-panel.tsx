import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useEffect, useRef } from 'react';
import { notificationQuery } from '../api/queries.ts';
import { StateBadge } from '../ui/badge.tsx';
import { Id } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';
import { Loaded } from '../ui/page.tsx';
import { Time } from '../ui/time.tsx';
import { Redeliver } from './bulk-actions.tsx';
import { Sequence } from './sequence.tsx';

/** One notification beside the list of them. */
export function NotificationPanel({ jti }: { readonly jti: string }): ReactElement {
  const notification = useQuery(notificationQuery(jti));
  const navigate = useNavigate({ from: '/notifications' });
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const close = () => void navigate({ search: ({ open: _, ...others }) => others, replace: true });
  return (
    <aside className="panel card" aria-label="The chosen notification">
      <header>
        <h2 ref={heading} tabIndex={-1}>
          Notification
        </h2>
        <button type="button" onClick={close} aria-label="Close the panel">
          <Icon name="bad" />
        </button>
      </header>
      <Loaded query={notification}>
        {(found) => (
          <>
            <dl className="pairs">
              <dt>jti</dt>
              <dd>
                <Id id={found.jti} isWhole />
              </dd>
              <dt>TPP</dt>
              <dd>
                <Link to="/tpps/$clientId" params={{ clientId: found.clientId }}>
                  {found.clientId}
                </Link>
              </dd>
              <dt>State</dt>
              <dd>
                <StateBadge state={found.state} />
              </dd>
              <dt>Published</dt>
              <dd>
                <Time at={found.publishedAt} />
              </dd>
            </dl>
            <Sequence notification={found} isBrief />
            <div className="buttons">
              <Link className="button" to="/notifications/$jti" params={{ jti }}>
                Open
              </Link>
              <Redeliver chosen={{ jtis: [jti] }} />
            </div>
          </>
        )}
      </Loaded>
    </aside>
  );
}
