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
import { describeErasure } from './contract-erasure.ts';
import { describeHandOver } from './contract-hand-over.ts';
import { describeInstances } from './contract-instances.ts';
import { describeModel, HISTORIES } from './contract-model.ts';
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
import { type OpenStore, openFor } from './opened.ts';

/**
 * What every implementation of {@link Store} must do. Nothing in it knows which database stands behind the store.
 *
 * @param open makes an empty store
 * @param how.histories random histories that are tried
 */
export function describeStoreContract(name: string, open: OpenStore, { histories } = { histories: HISTORIES }): void {
  const opens = openFor(open);
  describe(`the store contract, kept by ${name}`, () => {
    describeRegistrations(opens);
    describePublishing(opens);
    describeHandOver(opens);
    describeClaims(opens);
    describeDeliveries(opens);
    describeUnresponsive(opens);
    describeRecovery(opens);
    describeStaleRounds(opens);
    describeReplacing(opens);
    describeEndingWaits(opens);
    describeCallbackUrls(opens);
    describeSuspending(opens);
    describePolling(opens);
    describeRedelivery(opens);
    describeSearch(opens);
    describeWithdrawal(opens);
    describeRetention(opens);
    describeErasure(opens);
    describeAudit(opens);
    describeAlerts(opens);
    describeSigningKeys(opens);
    describeCallbackHealth(opens);
    describeAttemptHealth(opens);
    describeInstances(opens);
    describeChanges(opens);
    describeWatching(opens);
    describeModel(opens, histories);
  });
}
