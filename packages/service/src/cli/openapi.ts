import { Argument, type Command } from 'commander';
import { printJson } from '../base/output.ts';
import { environment } from '../base/process.ts';

const DOCUMENTS = ['tpp-facing', 'operator'];

/** `tidings openapi`: the OpenAPI documents of a service with this configuration. */
export function define(command: Command): void {
  command
    .requiredOption('-c, --config <file>', 'configuration file (JSON)')
    .addArgument(new Argument('<document>', 'the API to describe').choices(DOCUMENTS))
    .addHelpText(
      'after',
      `
Examples:
  tidings openapi --config tidings.json tpp-facing > tpp-facing.json
  tidings openapi --config tidings.json operator

The documents depend on the configuration: they contain only the features that it offers. A running service also serves them at
/operator/v1/openapi/, with a page to read them.

Exit codes: 0 done; 2 wrong usage, or the configuration is invalid.`,
    )
    .action(async (name: string, { config: file }: { config: string }) => {
      printJson(await documentOf(name, file));
    });
}

async function documentOf(name: string, file: string): Promise<object> {
  const { loadConfig } = await import('../config/load.ts');
  const config = loadConfig(file, environment());
  const { api, operator } = config;
  if (name === 'tpp-facing') {
    const { tppFacingDocument } = await import('../openapi/tpp-facing.ts');
    return tppFacingDocument(config, api.publicUrl ?? `https://localhost:${api.port}`);
  }
  const { operatorDocument } = await import('../operator/document.ts');
  return operatorDocument(`${operator.tls === undefined ? 'http' : 'https'}://localhost:${operator.port}`);
}
