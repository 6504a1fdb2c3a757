import { describeClaims } from './contract-claims.ts';
import { describePublishing } from './contract-publishing.ts';
import { describePooled } from './pooled.ts';

// The other parts are in postgres-pooled.long.test.ts.
await describePooled([describePublishing, describeClaims]);
