import { type ReactElement, useEffect, useState } from 'react';
import { Icon } from './icon.tsx';

const SAID_MS = 1500;

/** A button that copies a text, and says that it did. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }): ReactElement {
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (said === '') return;
    const timer = setTimeout(() => setSaid(''), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = () => {
    navigator.clipboard.writeText(text).then(
      () => setSaid('copied'),
      () => setSaid('not copied: the browser refused'),
    );
  };
  return (
    <button type="button" className="copy" onClick={copy} title={label}>
      <Icon name={said === 'copied' ? 'ok' : 'copy'} />
      <span className="hidden">{label}</span>
      <span className="hidden" role="status">
        {said}
      </span>
    </button>
  );
}

/** An id: shortened where there is little room, whole on hover, and copyable. */
export function Id({ id, isWhole = false }: { readonly id: string; readonly isWhole?: boolean }): ReactElement {
  return (
    <span className="id">
      <code className={isWhole ? 'whole' : 'short'} title={id}>
        {id}
      </code>
      <CopyButton text={id} label={`Copy ${id}`} />
    </span>
  );
}

/** The same as a command line. */
export function CommandLine({ command }: { readonly command: string }): ReactElement {
  return (
    <div className="command">
      <code>{command}</code>
      <CopyButton text={command} label="Copy the command line" />
    </div>
  );
}

const PLAIN = /^[\w@%+=:,./-]+$/;

/** An argument as a POSIX shell reads it. */
export function shellQuoted(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
