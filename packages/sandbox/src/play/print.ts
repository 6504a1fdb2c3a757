import { isJsonObject } from '@tidings/protocol';
import { colors as pc, printable } from '@tidings/service';
import type { SandboxAddresses } from '../sandbox.ts';
import type { StepReport } from './steps.ts';

/** Writes the flow somewhere: for people or for machines. */
export interface Printer {
  begin(): void;
  step(report: StepReport): void;
  end(summary: { readonly ok: boolean; readonly ms: number; readonly steps: number; readonly failed?: string }): void;
}

type Write = (text: string) => void;

/** One JSON object a line. */
export function jsonPrinter(line: (object: object) => void): Printer {
  return {
    begin: () => undefined,
    step: ({ step, ok, ms, details }) => line({ step, ok, ms, ...details }),
    end: (summary) => line({ step: 'summary', ...summary }),
  };
}

const NAME_CHARS = 16;
const INDENT = ' '.repeat('10 ✓ '.length + NAME_CHARS);

/** Lines for people; colour only on a terminal. */
export function humanPrinter(write: Write): Printer {
  let count = 0;
  return {
    begin: () =>
      write(`\n${pc.bold('Tidings sandbox')}: a bank and a TPP on this machine, every connection real TLS\n\n`),
    step: (report) => {
      count += 1;
      const { step, ok, ms, said } = report;
      const mark = ok ? pc.green('✓') : pc.red('✗');
      const number = String(count).padStart(2);
      write(`${number} ${mark} ${pc.bold(step.padEnd(NAME_CHARS))}${printable(said)} ${pc.dim(`${ms} ms`)}\n`);
      for (const line of more(report)) write(`${INDENT}${line}\n`);
    },
    end: ({ ok, ms, steps, failed }) => {
      const said = ok ? pc.green(`All ${steps} steps happened`) : pc.red(`The step ${failed} failed`);
      write(`\n${said} in ${(ms / 1000).toFixed(1)} s.\n`);
    },
  };
}

/** Details that get lines of their own. */
function more({ step, details }: StepReport): string[] {
  if (step === 'deliver' && Array.isArray(details['attempts'])) {
    return details['attempts'].map(
      (attempt, at) => `attempt ${at + 1} → ${attempt.status} ${pc.dim(`${attempt.ms} ms`)}`,
    );
  }
  const shown = { verify: details['claims'], fetch: details['resource'] }[step];
  return isJsonObject(shown)
    ? JSON.stringify(shown, undefined, 2)
        .split('\n')
        .map((line) => pc.dim(line))
    : [];
}

/** The text that is printed while the sandbox stays up: its addresses, and how to publish another event. */
export function stayingUp(
  addresses: SandboxAddresses,
  files: { rootFile: string; tokenFile: string; logFile: string },
): string {
  return `
${pc.bold('It stays up.')}

  authorisation server   ${addresses.authorisationServer}
  notification service   ${addresses.api}
  operator API           ${addresses.operator}
${furtherInstances(addresses)}  resource server        ${addresses.resourceServer}
  TPP callback URL       ${addresses.callbackUrl}
  log of the service     ${files.logFile}

Publish an event of your own (in another terminal, from this folder):

${publishExample(addresses, files)}

What the TPP gets is printed here. Ctrl-C stops everything.
`;
}

function furtherInstances({ instances }: SandboxAddresses): string {
  const lines = instances.map(
    ({ api, operator }, at) => `  instance ${at + 2}             ${api}, operator API ${operator}\n`,
  );
  return lines.join('');
}

function publishExample(addresses: SandboxAddresses, files: { rootFile: string; tokenFile: string }): string {
  // Any resource will do: the event is what travels.
  const uri = 'https://bank.example/aac-1';
  return `curl --cacert ${files.rootFile} -H "Authorization: Bearer $(cat ${files.tokenFile})" \\
  -H 'Content-Type: application/json' ${addresses.operator}/operator/v1/events -d '{
    "id": "my-event-'$(date +%s)'", "clientId": "tidings-sample-tpp", "occurredAt": "'$(date -u +%FT%TZ)'",
    "resource": { "id": "aac-1", "type": "account-access-consent", "version": "4.0",
      "uri": "${uri}", "links": [{ "version": "v4.0", "link": "${uri}" }] },
    "events": [{ "type": "UK.OBIE.Consent-Authorization-Revoked" }] }'`;
}
