export { fillPostgres } from '../../packages/service/test/support/fill-postgres.ts';
export { fillSqlite } from '../../packages/service/test/support/fill-sqlite.ts';
export { plansOfPostgres, plansOfSqlite } from '../../packages/service/test/support/search-plans.ts';
export { type Filling, searchesOf } from '../../packages/service/test/support/search-population.ts';
