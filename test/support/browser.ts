import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const CHROMIUMS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where a browser is; undefined: there is none, and the tests that need it are left out. */
export const CHROMIUM: string | undefined = CHROMIUMS.find((each) => existsSync(each));

/** A page, and all that it complained of. */
export interface View {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of the console of the browser, breaches of the policy, requests to elsewhere. */
  readonly complaints: string[];
}

export function launch(): Promise<Browser> {
  // What is drawn is for no screen, and needs no process of its own.
  return chromium.launch({ executablePath: CHROMIUM ?? '', args: ['--no-sandbox', '--disable-gpu'] });
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
