import { shapeOf } from '@tidings/protocol';
import { print, printJson } from '../base/output.ts';
import { ReloadedKey, ShownSigningKey, SigningKeyList } from '../operator/signing-keys.ts';
import type { KeyFlags } from './keys.ts';
import { type CommonFlags, withOperatorClient } from './operator-flags.ts';
import { factsOf, tableOf } from './table.ts';

const KEYS = '/operator/v1/signing-keys';
const shapeList = shapeOf(SigningKeyList);
const shapeKey = shapeOf(ShownSigningKey);
const shapeReloaded = shapeOf(ReloadedKey);

const pathOf = (kid: string) => `${KEYS}/${encodeURIComponent(kid)}`;

/** `tidings keys list` */
export async function listKeys(flags: CommonFlags): Promise<void> {
  const call = { method: 'GET', path: KEYS } as const;
  const { value } = await withOperatorClient(flags, (client) => client.read(call, shapeList));
  if (flags.json === true) return printJson(value);
  const rows = value.keys.map((key) => [
    key.kid,
    key.state,
    key.since ?? '',
    publicationOf(key),
    awaitingOf(key),
    key.thumbprint,
  ]);
  print(tableOf(['KID', 'STATE', 'SINCE', 'IN THE JWKS', 'AWAITING', 'THUMBPRINT'], rows));
  const { signsWith, holds, problem } = value.thisInstance;
  print(`This instance has ${holds.join(', ')} and signs with ${signsWith ?? 'nothing'}.\n`);
  if (problem !== undefined) print(`PROBLEM: ${problem}.\n`);
}

/** `tidings keys show` */
export async function showKey(kid: string, flags: CommonFlags): Promise<void> {
  const call = { method: 'GET', path: pathOf(kid) } as const;
  const { value } = await withOperatorClient(flags, (client) => client.read(call, shapeKey));
  if (flags.json === true) printJson(value);
  else printKey(value);
}

/** `tidings keys announce` */
export async function announce(flags: CommonFlags): Promise<void> {
  const call = { method: 'POST', path: `${KEYS}/reload` } as const;
  const { value } = await withOperatorClient(flags, (client) => client.read(call, shapeReloaded));
  if (flags.json === true) return printJson(value);
  const { kid, changed, announced } = value;
  const signing = changed ? `${kid} signs from now on, at once.` : `${kid} signs, as before.`;
  const next = announced === undefined ? 'No key is announced that was not known.' : `${announced} is announced.`;
  print(`The keys were read anew. ${next} ${signing}\n`);
}

/** `tidings keys rotate` and `tidings keys retire` */
export async function changeKey(kid: string, how: 'rotate' | 'retire', flags: KeyFlags): Promise<void> {
  const body = { force: flags.force === true };
  const call = { method: 'POST', path: `${pathOf(kid)}/${how}`, body } as const;
  const { value } = await withOperatorClient(flags, (client) => client.read(call, shapeKey));
  if (flags.json === true) printJson(value);
  else print(how === 'rotate' ? `${kid} signs from now on.\n` : `${kid} is not in the JWKS any more.\n`);
}

function printKey(key: ShownSigningKey): void {
  const { oldest, evidence } = key.dependents;
  print(
    factsOf({
      ...{ kid: key.kid, thumbprint: key.thumbprint, algorithm: key.algorithm, state: key.state, since: key.since },
      'may sign from': key.rotatableFrom,
      retired: key.retiredAt,
      'still used': key.stillUsedAt,
      'in the JWKS': publicationOf(key),
      'awaiting notifications': awaitingOf(key),
      'oldest of them': oldest && `${oldest.jti}, published ${oldest.publishedAt}`,
      'kept evidence': evidence ? 'may refer to it' : 'none',
    }),
  );
}

function publicationOf({ isPublished, publishedUntil }: ShownSigningKey): string {
  if (!isPublished) return 'no';
  return publishedUntil === undefined ? 'yes' : `until ${publishedUntil}`;
}

function awaitingOf({ dependents: { awaiting, isAtLeast } }: ShownSigningKey): string {
  return isAtLeast ? `at least ${awaiting}` : String(awaiting);
}
