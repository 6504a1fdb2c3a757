import { statSync } from 'node:fs';
import { readConfiguredFile } from '../../trust/files.ts';
import { type Examination, type Finding, ok, refusal, warning } from './finding.ts';
import { filesOf, type NamedFile } from './settings.ts';

const SECRETS = new Set(['keyFile', 'passwordFile']);
/** Permissions of all but owner and group: some installations give a key to a group on purpose. */
const OTHERS = 0o007;

/** Every file that is named is there and can be read; keys and passwords by their owner and group alone. */
export function checkFiles({ config }: Examination): readonly Finding[] {
  const files = filesOf(config);
  const findings = files.flatMap(checkFile);
  if (findings.length > 0) return findings;
  return [ok('files', `All ${files.length} files that the configuration names can be read.`)];
}

function checkFile({ setting, name, file }: NamedFile): readonly Finding[] {
  try {
    readConfiguredFile(setting, file);
  } catch (error) {
    return [
      refusal('files', error, `Put the file there, readable by the user of the service, or correct "${setting}".`),
    ];
  }
  if (!SECRETS.has(name) || process.platform === 'win32') return [];
  const others = statSync(file).mode & OTHERS;
  if (others === 0) return [];
  const what = `Every user of this machine may use the secret in ${file}, named by "${setting}".`;
  return [warning('files', what, `Run: chmod o-rwx ${file}`)];
}
