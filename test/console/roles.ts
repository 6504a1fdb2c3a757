import assert from 'node:assert/strict';
import type { Browser } from 'playwright-core';
import { openView, type View } from '../support/browser.ts';
import { type Role, show, signIn } from './browser.ts';

/** An action of a view, and the call of the operator API that it makes. */
interface ActionOfView {
  readonly path: string;
  /** Words of its button. */
  readonly button: string;
  /** Its least role. */
  readonly role: Role;
  readonly call: readonly [method: string, path: string, body?: object];
}

const ORDER: readonly Role[] = ['viewer', 'operator', 'administrator'];

/** Whether a role may do what needs another one. */
function may(role: Role, least: Role): boolean {
  return ORDER.indexOf(role) >= ORDER.indexOf(least);
}

const TPPS = '/operator/v1/tpps';
const KEYS = '/operator/v1/signing-keys';

/**
 * The actions of the views, in the order of the views and of their buttons: `tpp-down` is unresponsive, `tpp-polls` suspended,
 * and a next signing key is announced.
 *
 * @param jti of a notification that was acknowledged
 */
export function actionsOfViews(jti: string): readonly ActionOfView[] {
  const down = `${TPPS}/tpp-down`;
  const redeliver = ['POST', '/operator/v1/redeliveries', { jtis: [jti] }] as const;
  const operator = (path: string, button: string, call: ActionOfView['call']) => {
    return { path, button, role: 'operator' as const, call };
  };
  const administrator = (path: string, button: string, call: ActionOfView['call']) => {
    return { path, button, role: 'administrator' as const, call };
  };
  return [
    administrator('/tpps', 'Import a software statement', ['POST', `${TPPS}/import`, { softwareStatement: 'x' }]),
    administrator('/tpps', 'Add a TPP', ['DELETE', down]),
    operator('/tpps/tpp-down', 'Probe now', ['POST', `${down}/callback-url/recover`, { how: 'probe-now' }]),
    operator('/tpps/tpp-down', 'Mark as recovered', ['POST', `${down}/callback-url/recover`, { how: 'responsive' }]),
    operator('/tpps/tpp-down', 'Redeliver what failed', redeliver),
    operator('/tpps/tpp-down', 'Suspend', ['POST', `${down}/suspend`]),
    operator('/tpps/tpp-polls', 'Redeliver what failed', redeliver),
    operator('/tpps/tpp-polls', 'Resume', ['POST', `${TPPS}/tpp-polls/resume`]),
    operator(`/notifications/${jti}`, 'Redeliver', redeliver),
    operator(`/notifications/${jti}`, 'Withdraw', ['POST', '/operator/v1/withdrawals', { jtis: [jti] }]),
    administrator('/signing-keys', 'Announce the next key', ['POST', `${KEYS}/reload`]),
    administrator('/signing-keys', 'Rotate to this key', ['POST', `${KEYS}/bank-signing-2/rotate`]),
  ];
}

/** Makes a call with the session of a page. @returns the status of the answer */
function statusOf({ page }: View, [method, path, body]: ActionOfView['call']): Promise<number> {
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const init = {
    ...{ method, headers: { 'tidings-console': 'active', ...type } },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  };
  return page.evaluate(`fetch(${JSON.stringify(path)}, ${JSON.stringify(init)}).then(({ status }) => status)`);
}

const BUTTONS = /^(Redeliver|Withdraw|Suspend|Resume|Probe|Mark|Add a TPP|Import|Rotate|Retire|Announce)/;

/** Asserts that a role is shown the actions that it may take and no others, and that the API refuses it the others. */
export async function tryActions(
  browser: Browser,
  url: string,
  role: Role,
  actions: readonly ActionOfView[],
): Promise<void> {
  const view = await openView(browser, url);
  await signIn(view, role);
  const shown: string[] = [];
  for (const path of new Set(actions.map((each) => each.path))) {
    await show(view, path);
    const found = await view.page.getByRole('button', { name: BUTTONS }).allInnerTexts();
    shown.push(...found.map((button) => `${path} ${button.trim()}`));
  }
  const allowed = actions.filter((each) => may(role, each.role));
  const expected = allowed.map(({ path, button }) => `${path} ${button}`);
  assert.deepEqual(shown, expected, role);
  assert.deepEqual(view.complaints, [], role);
  for (const { button, call } of actions.filter((each) => !allowed.includes(each))) {
    assert.equal(await statusOf(view, call), 403, `${button} as ${role}`);
  }
  await view.context.close();
}
