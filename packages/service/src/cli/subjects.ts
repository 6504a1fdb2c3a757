import { InvalidArgumentError } from 'commander';
import { CliError, EXIT_FAILED } from './cli-error.ts';
import type { OperatorClient } from './operator-client.ts';

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;

/** Parses a jti, which is a UUID. @throws {InvalidArgumentError} */
export function readJti(text: string): string {
  if (UUID.test(text)) return text;
  throw new InvalidArgumentError(
    'A jti is a UUID, such as 190364f8-4f9c-420e-b4d1-76a6b5317fab; "tidings notifications find" lists them.',
  );
}

/** Parses the jtis of an argument that takes several. @throws {InvalidArgumentError} */
export function readJtis(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), readJti(text)];
}

const NOT_FOUND = 404;
const CHECKED_AT_ONCE = 8;
const NAMED_MAX = 5;

/** Checks that a TPP is registered, so that a mistyped client_id is not taken for one without notifications. @throws {CliError} */
export async function assertTpp(client: Pick<OperatorClient, 'ask' | 'refused'>, clientId: string): Promise<void> {
  const path = `/operator/v1/tpps/${encodeURIComponent(clientId)}`;
  const { status, detail } = await client.ask({ method: 'GET', path, flagNames: { clientId: '--client' } });
  if (status === NOT_FOUND) {
    throw new CliError(EXIT_FAILED, `There is no TPP with the client_id ${clientId}; "tidings tpps list" shows all.`);
  }
  if (status >= 300) throw client.refused(status, detail);
}

/** Checks that notifications with these jtis exist. @throws {CliError} that names those that do not */
export async function assertNotifications(
  client: Pick<OperatorClient, 'ask' | 'refused'>,
  jtis: readonly string[],
): Promise<void> {
  const missing: string[] = [];
  for (let at = 0; at < jtis.length; at += CHECKED_AT_ONCE) {
    const some = jtis.slice(at, at + CHECKED_AT_ONCE);
    const replies = await Promise.all(
      some.map((jti) => client.ask({ method: 'GET', path: `/operator/v1/notifications/${encodeURIComponent(jti)}` })),
    );
    for (const [index, { status, detail }] of replies.entries()) {
      if (status === NOT_FOUND) missing.push(some[index] ?? '');
      else if (status >= 300) throw client.refused(status, detail);
    }
  }
  if (missing.length === 0) return;
  const others = missing.length > NAMED_MAX ? ` and ${missing.length - NAMED_MAX} others` : '';
  const named = `${missing.slice(0, NAMED_MAX).join(', ')}${others}`;
  throw new CliError(EXIT_FAILED, `There is no notification with the jti ${named}; nothing was changed.`);
}
