export * from '../../packages/service/test/support/postgres-server.ts';
