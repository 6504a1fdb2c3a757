import { isJsonObject } from '@tidings/protocol';
import { colors as pc, printable } from '@tidings/service';
import type { SandboxAddresses } from '../sandbox.ts';
import type { StepReport } from './steps.ts';

/** Prints the flow, for people or for machines. */
export interface Printer {
  begin(): void;
  step(report: StepReport): void;
  end(summary: { readonly ok: boolean; readonly ms: number; readonly steps: number; readonly failed?: string }): void;
}

type Write = (text: string) => void;

/** Prints one JSON object per line. */
export function jsonPrinter(line: (object: object) => void): Printer {
  return {
    begin: () => undefined,
    step: ({ step, ok, ms, details }) => line({ step, ok, ms, ...details }),
    end: (summary) => line({ step: 'summary', ...summary }),
  };
}

const NAME_CHARS = 16;
const INDENT = ' '.repeat('10 ✓ '.length + NAME_CHARS);

/** Prints lines for people, coloured only on a terminal. */
export function humanPrinter(write: Write): Printer {
  let count = 0;
  return {
    begin: () => write(`\n${pc.bold('Tidings sandbox')}: a bank and a TPP on this machine, connected over TLS\n\n`),
    step: (report) => {
      count += 1;
      const { step, ok, ms, message } = report;
      const mark = ok ? pc.green('✓') : pc.red('✗');
      const number = String(count).padStart(2);
      write(`${number} ${mark} ${pc.bold(step.padEnd(NAME_CHARS))}${printable(message)} ${pc.dim(`${ms} ms`)}\n`);
      for (const line of detailLines(report)) write(`${INDENT}${line}\n`);
    },
    end: ({ ok, ms, steps, failed }) => {
      const message = ok ? pc.green(`All ${steps} steps succeeded`) : pc.red(`The step "${failed}" failed`);
      write(`\n${message} in ${(ms / 1000).toFixed(1)} s.\n`);
    },
  };
}

/** Details that are printed on separate lines. */
function detailLines({ step, details }: StepReport): string[] {
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

/** Formats the addresses of a running sandbox, and how to publish another event. */
export function formatAddresses(
  addresses: SandboxAddresses,
  { link, ...files }: { rootFile: string; tokenFile: string; logFile: string; link: string | undefined },
): string {
  return `
${pc.bold('The sandbox keeps running.')}

  authorisation server   ${addresses.authorisationServer}
  notification service   ${addresses.api}
  operator API           ${addresses.operator}
${furtherInstances(addresses)}  resource server        ${addresses.resourceServer}
  TPP callback URL       ${addresses.callbackUrl}
  log of the service     ${files.logFile}

To publish another event, run this in another terminal from this folder:

${publishExample(addresses, files)}

${consoleLines(link)}

Notifications that TPPs receive are printed here. Ctrl-C stops the sandbox.
`;
}

function consoleLines(link: string | undefined): string {
  if (link === undefined) {
    return `The console is not built in this checkout: run "npm run build --workspace packages/console", or "npm start".`;
  }
  return `Open the console; this link signs in once, on this machine:\n\n  ${pc.bold(link)}`;
}

function furtherInstances({ instances }: SandboxAddresses): string {
  const lines = instances.map(
    ({ api, operator }, at) => `  instance ${at + 2}             ${api}, operator API ${operator}\n`,
  );
  return lines.join('');
}

function publishExample(addresses: SandboxAddresses, files: { rootFile: string; tokenFile: string }): string {
  // The service does not fetch the resource, so any URI will do.
  const uri = 'https://bank.example/aac-1';
  return `curl --cacert ${files.rootFile} -H "Authorization: Bearer $(cat ${files.tokenFile})" \\
  -H 'Content-Type: application/json' ${addresses.operator}/operator/v1/events -d '{
    "id": "my-event-'$(date +%s)'", "clientId": "tidings-sample-tpp", "occurredAt": "'$(date -u +%FT%TZ)'",
    "resource": { "id": "aac-1", "type": "account-access-consent", "version": "4.0",
      "uri": "${uri}", "links": [{ "version": "v4.0", "link": "${uri}" }] },
    "events": [{ "type": "UK.OBIE.Consent-Authorization-Revoked" }] }'`;
}
