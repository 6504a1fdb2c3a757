import { describeChanges } from './contract-changes.ts';
import { describeDeliveries } from './contract-deliveries.ts';
import { describePolling } from './contract-polling.ts';
import { describeRecovery } from './contract-recovery.ts';
import { describeRedelivery } from './contract-redelivery.ts';
import { describeReplacing } from './contract-replacing.ts';
import { describeRetention } from './contract-retention.ts';
import { describePooled } from './pooled.ts';

await describePooled([
  describeDeliveries,
  describeRecovery,
  describeReplacing,
  describePolling,
  describeRedelivery,
  describeRetention,
  describeChanges,
]);
