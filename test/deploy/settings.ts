import { type Config, parseConfig } from '@tidings/service';

/** What a reference to the hash of a token stands for here. */
const SHA256 = 'ab'.repeat(32);

/** Reads a configuration of deploy/ as the service does, with hashes in place of the references to them. */
export function parseDeployed(text: string, source: string): Config {
  const settings = JSON.parse(text.replaceAll(/\$\{file:[^}]+\.sha256\}/g, SHA256));
  return parseConfig(settings, '/etc/tidings', source);
}

/** Every file of /run/secrets that a configuration names, as a path or in a reference. */
export function secretsOf(text: string): Set<string> {
  return new Set([...text.matchAll(/\/run\/secrets\/([^"}]+)/g)].map(([, name]) => name ?? ''));
}
