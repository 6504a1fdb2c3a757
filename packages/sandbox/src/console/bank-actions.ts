import { randomUUID } from 'node:crypto';
import { notifyOfChange } from '../play/publishing.ts';
import { type Change, titleOf } from '../resource-server/ledger.ts';
import { FAILING_CLIENT_ID, type Sandbox } from '../sandbox.ts';
import type { ConsoleAction } from './console.ts';
import type { FailingTpp } from './failing-tpp.ts';

const FAILURES_FIRST = [500, 400];
const BURST = 100;

/** Creates the actions behind the button of the console. @param failing the TPP whose endpoint is down */
export function createBankActions(sandbox: Sandbox, failing: () => Promise<FailingTpp>): readonly ConsoleAction[] {
  const publish = async (change: Change, others: { transactionId?: string; clientId?: string } = {}) => {
    const { jti } = await notifyOfChange(sandbox, { change, ...others });
    return `/notifications/${jti}`;
  };
  return [
    {
      name: 'payment-settled',
      title: titleOf('payment-settled'),
      description: 'Its status changes, and the TPP that initiated it is notified.',
      act: () => publish('payment-settled'),
    },
    {
      name: 'payment-settled-tpp-fails-first',
      title: 'A payment is settled, and the TPP fails twice',
      description: 'The TPP answers the first attempts with 500 and 400, so the notification is sent again.',
      act: () => {
        const transactionId = randomUUID();
        sandbox.tpp.receiver.failFirst(transactionId, FAILURES_FIRST);
        return publish('payment-settled', { transactionId });
      },
    },
    {
      name: 'consent-revoked',
      title: titleOf('consent-revoked'),
      description: 'The TPP that held the consent is notified.',
      act: () => publish('consent-revoked'),
    },
    {
      name: 'account-closed',
      title: titleOf('account-closed'),
      description: 'A TPP has a consent for it, and is notified.',
      act: () => publish('account-closed'),
    },
    {
      name: 'burst',
      title: `${BURST} payments are settled at once`,
      description: 'Follow them in the live view.',
      act: async () => {
        await Promise.all(Array.from({ length: BURST }, () => publish('payment-settled')));
        return '/live';
      },
    },
    {
      name: 'payment-settled-tpp-down',
      title: 'A payment is settled, and the TPP is down',
      description: `The notification for ${FAILING_CLIENT_ID} waits until its endpoint answers again.`,
      act: async () => {
        (await failing()).setIsDown(true);
        return publish('payment-settled', { clientId: FAILING_CLIENT_ID });
      },
    },
    {
      name: 'tpp-repaired',
      title: 'The TPP that is down is repaired',
      description: `The endpoint of ${FAILING_CLIENT_ID} accepts notifications from now on.`,
      act: async () => {
        (await failing()).setIsDown(false);
        return `/tpps/${FAILING_CLIENT_ID}`;
      },
    },
  ];
}
