import { describe } from 'node:test';
import { describeAlerts } from './contract-alerts.ts';
import { describeAttemptHealth } from './contract-attempt-health.ts';
import { describeAudit } from './contract-audit.ts';
import { describeCallbackHealth } from './contract-callback-health.ts';
import { describeCallbackUrls } from './contract-callback-urls.ts';
import { describeChanges } from './contract-changes.ts';
import { describeClaims } from './contract-claims.ts';
import { describeDeliveries } from './contract-deliveries.ts';
import { describeEndingWaits } from './contract-ending-waits.ts';
import { describeHandOver } from './contract-hand-over.ts';
import { describeInstances } from './contract-instances.ts';
import { describeModel } from './contract-model.ts';
import { describePolling } from './contract-polling.ts';
import { describePublishing } from './contract-publishing.ts';
import { describeRecovery } from './contract-recovery.ts';
import { describeRedelivery } from './contract-redelivery.ts';
import { describeRegistrations } from './contract-registrations.ts';
import { describeReplacing } from './contract-replacing.ts';
import { describeRetention } from './contract-retention.ts';
import { describeSearch } from './contract-search.ts';
import { describeSigningKeys } from './contract-signing-keys.ts';
import { describeStaleRounds } from './contract-stale-rounds.ts';
import { describeSuspending } from './contract-suspending.ts';
import { describeUnresponsive } from './contract-unresponsive.ts';
import { describeWatching } from './contract-watching.ts';
import { describeWithdrawal } from './contract-withdrawal.ts';
import type { OpenFor, OpenStore } from './opened.ts';

/**
 * What every implementation of {@link Store} must do. Nothing in it knows which database stands behind the store.
 *
 * @param open makes an empty store
 */
export function describeStoreContract(name: string, open: OpenStore): void {
  const openFor: OpenFor = async (t, settings) => {
    const opened = await open(settings);
    t.after(() => opened.close());
    return opened;
  };
  describe(`the store contract, kept by ${name}`, () => {
    describeRegistrations(openFor);
    describePublishing(openFor);
    describeHandOver(openFor);
    describeClaims(openFor);
    describeDeliveries(openFor);
    describeUnresponsive(openFor);
    describeRecovery(openFor);
    describeStaleRounds(openFor);
    describeReplacing(openFor);
    describeEndingWaits(openFor);
    describeCallbackUrls(openFor);
    describeSuspending(openFor);
    describePolling(openFor);
    describeRedelivery(openFor);
    describeSearch(openFor);
    describeWithdrawal(openFor);
    describeRetention(openFor);
    describeAudit(openFor);
    describeAlerts(openFor);
    describeSigningKeys(openFor);
    describeCallbackHealth(openFor);
    describeAttemptHealth(openFor);
    describeInstances(openFor);
    describeChanges(openFor);
    describeWatching(openFor);
    describeModel(openFor);
  });
}
