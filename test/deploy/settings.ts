import { readFileSync } from 'node:fs';
import { type Config, parseConfig } from '@tidings/service';

/** A hash where the files of deploy/ say that one has to be put. */
const SHA256 = 'ab'.repeat(32);

/** Reads a configuration of deploy/ as the service does, with hashes in the places that are left for them. */
export function parseDeployed(text: string, source: string): Config {
  return parseConfig(JSON.parse(text.replaceAll(/SHA256-OF-[A-Z-]+/g, SHA256)), '/etc/tidings', source);
}

export function readDeployed(file: string): Config {
  return parseDeployed(readFileSync(file, 'utf8'), file);
}

/** Every path of mounted secrets that a configuration names, without the folder. */
export function secretsOf(config: Config): Set<string> {
  const named = JSON.stringify(config).matchAll(/"\/run\/secrets\/([^"]+)"/g);
  return new Set([...named].map(([, name]) => name ?? ''));
}
