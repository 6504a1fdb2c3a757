import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactElement, type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { api, dataOf } from '../api/client.ts';
import { ApiProblem } from '../api/problem.ts';
import { CommandLine } from '../ui/copy.tsx';
import { Icon } from '../ui/icon.tsx';

/** Buttons that add a TPP: by its software statement, or field by field. */
export function AddTpp(): ReactElement {
  const [open, setOpen] = useState<'import' | 'add' | undefined>();
  return (
    <>
      <button type="button" onClick={() => setOpen('import')}>
        Import a software statement
      </button>
      <button type="button" onClick={() => setOpen('add')}>
        Add a TPP
      </button>
      {open === 'import' && <ImportDialog onClose={() => setOpen(undefined)} />}
      {open === 'add' && <AddDialog onClose={() => setOpen(undefined)} />}
    </>
  );
}

interface FieldProps {
  readonly name: string;
  readonly label: string;
  readonly help?: string;
  readonly isRequired?: boolean;
  readonly isLong?: boolean;
}

function Field({ name, label, help, isRequired = false, isLong = false }: FieldProps): ReactElement {
  const id = useId();
  const common = { id, name, required: isRequired, 'aria-describedby': help === undefined ? undefined : `${id}-help` };
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}
        {!isRequired && ' (optional)'}
      </label>
      {isLong ? <textarea {...common} rows={5} spellCheck={false} /> : <input {...common} spellCheck={false} />}
      {help !== undefined && (
        <p id={`${id}-help`} className="help">
          {help}
        </p>
      )}
    </div>
  );
}

interface FormDialogProps {
  readonly title: string;
  readonly command: string;
  readonly save: (given: Record<string, string>) => Promise<string>;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

function FormDialog({ title, command, save, onClose, children }: FormDialogProps): ReactElement {
  const dialog = useRef<HTMLDialogElement>(null);
  const headingId = useId();
  const queries = useQueryClient();
  const saving = useMutation({ mutationFn: save, onSuccess: () => queries.invalidateQueries() });
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const entries = [...new FormData(event.currentTarget)].map(
      ([name, value]) => [name, String(value).trim()] as const,
    );
    saving.mutate(Object.fromEntries(entries.filter(([, value]) => value !== '')));
  };
  return (
    <dialog ref={dialog} aria-labelledby={headingId} onClose={onClose}>
      <form onSubmit={submit}>
        <h2 id={headingId}>{title}</h2>
        {children}
        <p className="label">On the command line</p>
        <CommandLine command={command} />
        {saving.error !== null && (
          <p className="note bad" role="alert">
            <Icon name="bad" />
            {saving.error.message}
          </p>
        )}
        {saving.data !== undefined && (
          <p className="note good" role="status">
            <Icon name="ok" />
            {saving.data}
          </p>
        )}
        <div className="buttons">
          <button type="button" onClick={() => dialog.current?.close()}>
            {saving.isSuccess ? 'Close' : 'Cancel'}
          </button>
          <button type="submit" className="primary" disabled={saving.isPending || saving.isSuccess}>
            Save
          </button>
        </div>
      </form>
    </dialog>
  );
}

function ImportDialog({ onClose }: { readonly onClose: () => void }): ReactElement {
  const save = async ({ softwareStatement = '', clientId, certificateSubject }: Record<string, string>) => {
    const body = {
      softwareStatement,
      ...(clientId !== undefined && { clientId }),
      ...(certificateSubject !== undefined && { certificateSubject }),
    };
    const tpp = await dataOf(api.POST('/operator/v1/tpps/import', { body }));
    return `${tpp.clientId} is registered with the scopes ${tpp.scopes?.join(', ') ?? 'all'}.`;
  };
  return (
    <FormDialog
      title="Import a software statement"
      command="tidings tpps import statement.jwt --client-id CLIENT_ID"
      save={save}
      onClose={onClose}
    >
      <Field
        name="softwareStatement"
        label="Software statement assertion"
        isRequired
        isLong
        help="The JWT that the directory signed. Its roles give the scopes: AISP accounts, PISP payments, CBPII fundsconfirmations."
      />
      <Field name="clientId" label="client_id" help="Left out, it is the id of the software." />
      <Field
        name="certificateSubject"
        label="Subject of its transport certificate"
        help="As in RFC 4514: CN=…,O=…,C=GB"
      />
    </FormDialog>
  );
}

/** The API speaks of a header, which nobody sees here. */
function inWords(error: unknown): never {
  if (!(error instanceof ApiProblem) || error.status !== 412) throw error;
  throw new ApiProblem(412, 'A TPP with this client_id is registered already; nothing of it was changed.', 'clientId');
}

function AddDialog({ onClose }: { readonly onClose: () => void }): ReactElement {
  const save = async ({
    clientId = '',
    organisationId = '',
    softwareStatementId = '',
    ...others
  }: Record<string, string>) => {
    const { jwksUrl = '', certificateSubject } = others;
    await dataOf(
      api.PUT('/operator/v1/tpps/{clientId}', {
        // Nobody who is there already is changed.
        params: { path: { clientId }, header: { 'if-none-match': '*' } },
        body: {
          organisationId,
          softwareStatementId,
          jwksUrl,
          ...(certificateSubject !== undefined && { certificateSubject }),
        },
      }),
    ).catch(inWords);
    return `${clientId} is registered.`;
  };
  return (
    <FormDialog
      title="Add a TPP"
      command="tidings tpps add CLIENT_ID --organisation-id ID --software-statement-id ID --jwks-url URL"
      save={save}
      onClose={onClose}
    >
      <Field name="clientId" label="client_id" isRequired />
      <Field name="organisationId" label="Organisation id" isRequired />
      <Field name="softwareStatementId" label="Software statement id" isRequired />
      <Field name="jwksUrl" label="JWKS URL" isRequired help="Where its signing keys are published; https." />
      <Field
        name="certificateSubject"
        label="Subject of its transport certificate"
        help="As in RFC 4514: CN=…,O=…,C=GB"
      />
    </FormDialog>
  );
}
