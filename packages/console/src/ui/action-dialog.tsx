import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type ReactElement, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { CommandLine } from './copy.tsx';
import { Icon, type IconName } from './icon.tsx';

interface ActionProps {
  /** On the button, as a verb. */
  readonly label: string;
  readonly icon?: IconName;
  /** The question, as the heading of the dialog. */
  readonly title: string;
  /** The effect of it, and what is left alone. */
  readonly children?: ReactNode;
  /** Counts what it would do, when the dialog opens; the confirmation waits for it. */
  readonly preview?: () => Promise<string>;
  /** Does it. @returns what came of it, as a sentence */
  readonly act: () => Promise<string>;
  /** The same on the command line. */
  readonly command: string;
  readonly isDangerous?: boolean;
  /** Why it is not possible now; undefined: it is. */
  readonly disabledBecause?: string | undefined;
}

/** A button that asks before it does something, with a count where there is one, and shows what came of it. */
export function Action(props: ActionProps): ReactElement {
  const { label, icon, disabledBecause, isDangerous = false } = props;
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        className={isDangerous ? 'danger' : ''}
        disabled={disabledBecause !== undefined}
        title={disabledBecause}
        onClick={() => setIsOpen(true)}
      >
        {icon !== undefined && <Icon name={icon} />}
        {label}
      </button>
      {isOpen && <ActionDialog {...props} onClose={() => setIsOpen(false)} />}
    </>
  );
}

function ActionDialog(props: ActionProps & { readonly onClose: () => void }): ReactElement {
  const { label, title, children, preview, act, command, isDangerous = false, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  const queries = useQueryClient();
  const counting = useMutation({ mutationFn: async () => preview?.() });
  const acting = useMutation({ mutationFn: act });
  const count = counting.mutate;
  // Not before: what is read again may take the button away, and the dialog with it.
  const close = () => {
    if (!acting.isIdle) void queries.invalidateQueries();
    onClose();
  };
  useEffect(() => {
    dialog.current?.showModal();
    count();
  }, [count]);
  const problem = acting.error ?? counting.error;
  return (
    <dialog ref={dialog} aria-labelledby={headingId} onClose={close}>
      <h2 id={headingId}>{title}</h2>
      {children}
      {preview !== undefined && (
        <p className="preview" role="status">
          {counting.data ?? (counting.isError ? 'It could not be counted.' : 'Counting…')}
        </p>
      )}
      <p className="label">On the command line</p>
      <CommandLine command={command} />
      {problem !== null && (
        <p className="note bad" role="alert">
          <Icon name="bad" />
          {problem.message}
        </p>
      )}
      {acting.data !== undefined && (
        <p className="note good" role="status">
          <Icon name="ok" />
          {acting.data}
        </p>
      )}
      <div className="buttons">
        <button type="button" onClick={() => dialog.current?.close()}>
          {acting.isSuccess ? 'Close' : 'Cancel'}
        </button>
        {!acting.isSuccess && (
          <button
            type="button"
            className={isDangerous ? 'danger primary' : 'primary'}
            disabled={acting.isPending || !counting.isSuccess}
            onClick={() => acting.mutate()}
          >
            {acting.isPending ? 'Working…' : label}
          </button>
        )}
      </div>
    </dialog>
  );
}
