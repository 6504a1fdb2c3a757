import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { systemClock } from '../../src/base/clock.ts';
import { createHttpServer } from '../../src/base/http-server.ts';
import { OPERATOR_ROLES, type OperatorRole } from '../../src/config/schema.ts';
import { type GuardedOperation, guardRoutes, roleThatAllows } from '../../src/operator/access.ts';
import { sendProblem } from '../../src/operator/problem.ts';
import { CONNECTIONS } from '../support/connections.ts';

const operation = (operationId: string, role: GuardedOperation['role']) => {
  return { config: { operation: { operationId, role, bodyTypes: [] } } };
};
const GET_STATUS = operation('getStatus', 'viewer');
const REMOVE_TPP = operation('removeTpp', 'administrator');

function guarded(roles: readonly OperatorRole[]) {
  const log = pino({ level: 'silent' });
  const app = createHttpServer({
    tls: undefined,
    bodyBytesMax: 1,
    ...CONNECTIONS,
    requestTimeoutMs: 1000,
    clock: systemClock,
    log,
  });
  guardRoutes(app, () => ({ name: 'alice', authenticatedBy: 'token', roles }));
  app.setErrorHandler((error, request, reply) => void sendProblem(error, request, reply));
  return app;
}

test('a route that names no operation keeps the service from starting', async () => {
  const app = guarded([]);
  const refused = /^GET \/forgotten names no operation; see src\/operator\/route\.ts$/;
  assert.throws(() => app.get('/forgotten', () => 'open'), { message: refused });
  app.register((scope, _options, done) => {
    assert.throws(() => scope.get('/forgotten', { config: {} }, () => 'open'), { message: refused });
    done();
  });
  await app.ready();
});

for (const [least, allowed] of [
  ['viewer', ['viewer', 'operator', 'administrator']],
  ['operator', ['operator', 'administrator']],
  ['administrator', ['administrator']],
  ['publisher', ['publisher', 'operator', 'administrator']],
] as const) {
  test(`what needs ${least} may be done by ${allowed.join(', ')}, and by nobody else`, () => {
    const may = OPERATOR_ROLES.filter((role) => roleThatAllows(least, [role]) !== undefined);
    assert.deepEqual(may.toSorted(), allowed.toSorted());
  });
}

test('of several roles the highest that allows a call is the one that it is noted under', async () => {
  assert.equal(roleThatAllows('publisher', ['publisher', 'viewer']), 'publisher');
  assert.equal(roleThatAllows('viewer', ['publisher', 'viewer']), 'viewer');
  assert.equal(roleThatAllows('viewer', ['viewer', 'administrator', 'publisher']), 'administrator');
  const app = guarded(['viewer', 'operator']);
  app.get('/status', GET_STATUS, ({ caller }) => caller?.role ?? '');
  assert.equal((await app.inject('/status')).body, 'operator');
  await app.close();
});

test('a call whose roles are not enough is 403, and told which one is', async () => {
  for (const roles of [['viewer', 'publisher'], ['operator']] as const) {
    const app = guarded(roles);
    app.delete('/tpp/:id', REMOVE_TPP, () => assert.fail('it must not get here'));
    const answer = await app.inject({ method: 'DELETE', url: '/tpp/a' });
    assert.equal(answer.statusCode, 403);
    assert.equal(answer.headers['www-authenticate'], 'Bearer error="insufficient_scope"');
    assert.equal(answer.json().detail, `This needs the role administrator; "alice" has ${roles.join(', ')}.`);
    await app.close();
  }
});
