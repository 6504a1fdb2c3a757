import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, type ReactElement, useId } from 'react';
import { auditQuery } from '../api/queries.ts';
import { CommandLine, shellQuoted } from '../ui/copy.tsx';
import { Card, Page } from '../ui/page.tsx';
import { AuditList } from './audit-list.tsx';

const FIELDS = [
  { name: 'actor', label: 'Actor', placeholder: 'name, or tpp:CLIENT_ID' },
  { name: 'action', label: 'Action', placeholder: 'tpp-changed' },
  { name: 'subject', label: 'Subject', placeholder: 'client_id, jti, kid' },
] as const;

/** Who changed what. */
export function Audit(): ReactElement {
  const filter = useSearch({ from: '/shell/audit' });
  const navigate = useNavigate({ from: '/audit' });
  const id = useId();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const given = [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()] as const);
    void navigate({ search: Object.fromEntries(given.filter(([, value]) => value !== '')) });
  };
  const flags = FIELDS.flatMap(({ name }) =>
    filter[name] === undefined ? [] : [` --${name} ${shellQuoted(filter[name])}`],
  );
  return (
    <Page title="Audit">
      <search className="filters">
        <form onSubmit={submit} key={JSON.stringify(filter)}>
          {FIELDS.map(({ name, label, placeholder }) => (
            <span key={name} className="labelled">
              <label htmlFor={`${id}-${name}`}>{label}</label>
              <input id={`${id}-${name}`} name={name} defaultValue={filter[name]} placeholder={placeholder} />
            </span>
          ))}
          <button type="submit">Filter</button>
        </form>
      </search>
      <Card title="Changes, the newest first">
        <AuditList query={auditQuery(filter)} />
      </Card>
      <CommandLine command={`tidings audit${flags.join('')}`} />
    </Page>
  );
}
