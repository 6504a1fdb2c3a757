import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeSigningKey, temporaryFolder } from '@tidings/testing';
import { type Bank, OPERATOR_TOKEN, startBank } from '../support/bank.ts';
import { breaches, type View } from '../support/browser.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { makeTpp } from '../support/tpp.ts';

/** Tokens of the operators, by role. */
export const TOKENS = {
  administrator: OPERATOR_TOKEN,
  operator: 'an-operator-of-the-tests-0123456789',
  viewer: 'a-viewer-of-the-tests-0123456789',
} as const;
export type Role = keyof typeof TOKENS;

const HOUR_MS = 3_600_000;
const NAMES = { administrator: 'alice', operator: 'bob', viewer: 'carol' } as const;

/** A bank with a TPP that answers, one that is down, and one that only polls. */
export interface Scene {
  readonly bank: Bank;
  /** The endpoint of the TPP that is down. */
  readonly down: Receiver;
  /** jti of a notification that was acknowledged. */
  readonly acknowledged: string;
  stop(): Promise<void>;
}

/** Starts a bank whose TPPs have registered and been sent something. */
export async function setScene(): Promise<Scene> {
  const tokens = Object.entries(TOKENS).map(([role, token]) => {
    return { name: NAMES[role as Role], role, sha256: createHash('sha256').update(token).digest('hex') };
  });
  const keys = temporaryFolder();
  const sessionKeyFile = join(keys.path, 'session-key');
  writeFileSync(sessionKeyFile, randomBytes(32).toString('base64'));
  const settings = {
    operator: { tokens, console: { sessionKeyFile } },
    // The TPP that is down recovers when a test says so, and not by a probe that happens to come before.
    unresponsive: { probeDelayMs: HOUR_MS, probeDelayMaxMs: HOUR_MS },
  };
  const bank = await startBank({ clients: ['tpp-good', 'tpp-down', 'tpp-polls'], settings });
  const [good, down] = await Promise.all([startReceiver(bank), startReceiver(bank, 500)]);
  const parties = await Promise.all(['tpp-good', 'tpp-down', 'tpp-polls'].map((id) => makeTpp(bank, id)));
  const urls = [`${good.origin}/v4.0/event-notifications`, `${down.origin}/v4.0/event-notifications`, undefined];
  for (const [at, party] of parties.entries()) {
    const url = urls[at];
    await party.create('v4.0', 'event-subscriptions', {
      Version: '4.0',
      ...(url !== undefined && { CallbackUrl: url }),
    });
  }
  const [acknowledged = ''] = await bank.publishAll(['tpp-good', 'tpp-down', 'tpp-polls']);
  await good.untilReceived(1);
  await down.untilReceived(3);
  return {
    ...{ bank, down, acknowledged },
    stop: async () => {
      for (const party of parties) party.close();
      await bank.stop();
      keys.remove();
      await Promise.all([good.close(), down.close()]);
    },
  };
}

/** Signs in on the page that the console leads to. */
export async function signIn({ page }: View, role: Role, path = '/console/'): Promise<void> {
  await page.goto(path);
  await page.getByLabel('Operator token').fill(TOKENS[role]);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Views' }).waitFor({ state: 'attached' });
}

/** Opens a view, and waits until its parts are loaded. */
export async function show({ page }: View, path: string): Promise<void> {
  await page.goto(`/console${path}`);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.locator('.spinner').first().waitFor({ state: 'detached' });
}

/** The next signing key of the bank, which an operator may announce from now on. */
export function offerNextKey({ bank }: Scene): void {
  const { kid, keyPem } = makeSigningKey('bank-signing-2');
  const keyFile = join(bank.folder, 'next.key');
  writeFileSync(keyFile, keyPem);
  bank.signing.next = { kid, keyFile };
}

export const DESKTOP = { width: 1280, height: 900 } as const;
export const TELEPHONE = { width: 360, height: 740 } as const;

/** Width of the whole page, in CSS pixels. */
export function widthOf({ page }: View): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth');
}

/** Asserts that axe finds nothing in the view that is shown, light and dark. */
export async function checkAccess({ page }: View, path: string): Promise<void> {
  assert.deepEqual(await breaches(page), [], path);
  // Themes differ in their colours alone.
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.deepEqual(await breaches(page, ['color-contrast']), [], `${path}, dark`);
  await page.emulateMedia({ colorScheme: 'light' });
}
