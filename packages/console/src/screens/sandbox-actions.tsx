import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useRouter } from '@tanstack/react-router';
import { type ReactElement, useEffect, useId, useRef, useState } from 'react';
import { actInSandbox, sandboxActionsQuery } from '../session/session.ts';
import { Icon } from '../ui/icon.tsx';
import { Loaded } from '../ui/page.tsx';

/** A button of the sandbox alone: makes something happen at its bank, and leads to the view that shows it. */
export function SandboxActions(): ReactElement {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <div className="sandbox">
      <button type="button" className="primary" onClick={() => setIsOpen(true)}>
        <Icon name="play" />
        Make something happen
      </button>
      {isOpen && <Choices onClose={() => setIsOpen(false)} />}
    </div>
  );
}

function Choices({ onClose }: { readonly onClose: () => void }): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  const { history } = useRouter();
  const queries = useQueryClient();
  const actions = useQuery(sandboxActionsQuery);
  const acting = useMutation({
    mutationFn: actInSandbox,
    onSuccess: ({ open }) => {
      dialog.current?.close();
      history.push(`/console${open}`);
      void queries.invalidateQueries();
    },
  });
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={headingId} onClose={onClose}>
      <h2 id={headingId}>Make something happen at the bank</h2>
      <p>This is a sandbox: its bank and its TPPs run on this machine, and nothing here is real.</p>
      <Loaded query={actions}>
        {(offered) => (
          <ul className="choices">
            {offered.map(({ name, title, description }) => (
              <li key={name}>
                <button type="button" disabled={acting.isPending} onClick={() => acting.mutate(name)}>
                  <strong>{title}</strong>
                  <span>{description}</span>
                </button>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {acting.error !== null && (
        <p className="note bad" role="alert">
          <Icon name="bad" />
          {acting.error.message}
        </p>
      )}
      <div className="buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          Cancel
        </button>
      </div>
    </dialog>
  );
}
