import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { FastifyRequest } from 'fastify';
import { Sessions } from '../../src/operator/session.ts';
import { SESSION_KEY_BYTES } from '../../src/trust/material.ts';

const key = randomBytes(SESSION_KEY_BYTES);

function sessionsWith(options: { readonly key?: Uint8Array; readonly isOverTls?: boolean; readonly nowMs?: number }) {
  const { nowMs = 1_800_000_000_000 } = options;
  const times = { idleMs: 60_000, maxMs: 600_000, clock: { nowMs: () => nowMs }, random: { uuid: () => 'id-1' } };
  return new Sessions({ key, isOverTls: true, ...times, ...options });
}

function requestWith(setCookie: string): FastifyRequest {
  const request: unknown = { method: 'GET', headers: { cookie: setCookie.split(';')[0] } };
  return request as FastifyRequest;
}

test('over TLS the cookie has a name that no other host can set', async () => {
  assert.match(
    await sessionsWith({}).start({ token: 'x' }),
    /^__Host-tidings-session=[^;]+; Path=\/; HttpOnly; Secure;/,
  );
  assert.match(await sessionsWith({ isOverTls: false }).start({ token: 'x' }), /^tidings-session=/);
});

test('instances that share a key share sessions, and others do not', async () => {
  const request = requestWith(await sessionsWith({}).start({ token: 'x' }));
  assert.deepEqual((await sessionsWith({}).of(request))?.owner, { token: 'x' });
  assert.equal(await sessionsWith({ key: randomBytes(SESSION_KEY_BYTES) }).of(request), undefined);
});

test('an action renews the idle time, and never the longest', async () => {
  const beganMs = 1_800_000_000_000;
  const session = await sessionsWith({}).of(requestWith(await sessionsWith({}).start({ token: 'x' })));
  assert.ok(session !== undefined);
  const sessions = sessionsWith({});
  assert.deepEqual(sessions.endsOf(session), { idleAtMs: beganMs + 60_000, maxAtMs: beganMs + 600_000 });
  const late = { ...session, seenAtMs: beganMs + 590_000 };
  assert.deepEqual(sessions.endsOf(late), { idleAtMs: beganMs + 600_000, maxAtMs: beganMs + 600_000 });
});
