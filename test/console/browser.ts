import { createHash, randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '@tidings/testing';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { type Bank, OPERATOR_TOKEN, startBank } from '../support/tpp-bank.ts';
import { makeParty } from '../support/tpp-party.ts';
import { type Receiver, startReceiver } from '../support/tpp-receiver.ts';

const CHROMIUMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where a browser is; undefined: there is none, and the tests that need it are left out. */
export const CHROMIUM: string | undefined = CHROMIUMS.find((each) => existsSync(each));

/** Tokens of the operators, by role. */
export const TOKENS = {
  administrator: OPERATOR_TOKEN,
  operator: 'an-operator-of-the-tests-0123456789',
  viewer: 'a-viewer-of-the-tests-0123456789',
} as const;
export type Role = keyof typeof TOKENS;

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
  const settings = { operator: { tokens, console: { sessionKeyFile } } };
  const bank = await startBank({ clients: ['tpp-good', 'tpp-down', 'tpp-polls'], settings });
  const [good, down] = await Promise.all([startReceiver(bank), startReceiver(bank, 500)]);
  const parties = await Promise.all(['tpp-good', 'tpp-down', 'tpp-polls'].map((id) => makeParty(bank, id)));
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

/** A signed-in page, and all that it complained of. */
export interface View {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the console of the browser, breaches of the policy, requests to elsewhere. */
  readonly complaints: string[];
}

export function launch(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox'] });
}

interface ViewOptions {
  readonly width?: number;
  readonly colorScheme?: 'light' | 'dark';
}

/** Opens a page that is not signed in yet. */
export async function openView(
  browser: Browser,
  url: string,
  { width = 1280, colorScheme = 'light' }: ViewOptions = {},
): Promise<View> {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, baseURL: url });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(`a request to ${request.url()}`);
  });
  return { page, context, complaints };
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

const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/**
 * Rules of WCAG 2.2 AA that the page breaks, each with the first place where it does.
 *
 * @param rules only these; default: all
 */
export async function breaches(page: Page, rules?: readonly string[]): Promise<string[]> {
  if (!(await page.evaluate('typeof axe === "object"'))) await page.evaluate(`${axe.source}; undefined`);
  const options = JSON.stringify({ runOnly: rules ?? TAGS, resultTypes: ['violations'], elementRef: false });
  const found: { violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] } =
    await page.evaluate(`axe.run(document, ${options})`);
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
}
