export { type Backlog, jtiInBacklog } from '../../packages/service/test/support/backlog.ts';
export { putBacklogPostgres } from '../../packages/service/test/support/backlog-postgres.ts';
export { putBacklogSqlite } from '../../packages/service/test/support/backlog-sqlite.ts';
