import { relative } from 'node:path';
import { isJsonObject } from '@tidings/protocol';
import { colors as pc, printable } from '@tidings/service';
import type { AddedTpp } from '../own-tpps/own-tpps.ts';
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

/** Texts beside the addresses. */
interface ShownBeside {
  readonly rootFile: string;
  readonly tokenFile: string;
  readonly logFile: string;
  readonly link: string | undefined;
  /** URL of the bank's JWKS. */
  readonly jwks: string;
  /** The developer's own TPP. */
  readonly added: AddedTpp | undefined;
  /** How other commands find this sandbox. */
  readonly stateFlag: string;
}

/** Formats the addresses of a running sandbox, and how to publish another event. */
export function formatAddresses(
  addresses: SandboxAddresses,
  { link, jwks, added, stateFlag, ...files }: ShownBeside,
): string {
  return `
${pc.bold('The sandbox keeps running.')}

  authorisation server   ${addresses.authorisationServer}
  notification service   ${addresses.api}
  operator API           ${addresses.operator}
${furtherInstances(addresses)}  resource server        ${addresses.resourceServer}
  JWKS of the bank       ${jwks}
  TPP callback URL       ${addresses.callbackUrl}
  log of the service     ${files.logFile}

${ownTppLines(added, stateFlag)}

To publish another event, run this in another terminal from this folder:

${publishExample(addresses, files)}

${consoleLines(link)}

Notifications that the TPPs of the sandbox receive are printed here. Ctrl-C stops the sandbox.
`;
}

function ownTppLines(added: AddedTpp | undefined, stateFlag: string): string {
  if (added === undefined) {
    return `To develop a TPP of your own, add it, and make something happen at the bank:

  tidings sandbox add-tpp${stateFlag} https://localhost:9443/open-banking/v4.0/event-notifications
  tidings trigger${stateFlag} consent-revoked`;
  }
  const { tpp, envFile, jsonFile } = added;
  return `Your TPP is ${pc.bold(tpp.clientId)}; the bank notifies ${tpp.callbackUrl}. Everything about it is in

  ${relative('', envFile)}   as environment variables
  ${relative('', jsonFile)}   as JSON

${CERTIFICATE_NOTE}
Until you have one, this is a receiver that shows what arrives:

  npx @tidings/tpp listen --env-file ${relative('', envFile)}

Make something happen at the bank:

  tidings trigger${stateFlag} consent-revoked`;
}

/** Why a receiver on this machine needs a certificate, and where it is. */
export const CERTIFICATE_NOTE =
  'A callback URL is https: your receiver listens with the certificate of TPP_RECEIVER_CERTIFICATE_FILE, which is for its host.';

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
