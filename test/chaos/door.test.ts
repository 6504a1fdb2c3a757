import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Door } from './door.ts';

const EXITS_WITHIN_MS = 15_000;

test('a door passes on what comes, and tells the connection by its port', async (t) => {
  const { door, socket, remotePort } = await throughDoor(t);
  socket.write('ping');
  assert.equal(String(await read(socket)), 'ping');
  assert.deepEqual(door.passageFrom(remotePort())?.disturbances, []);
});

test('a cut ends the connection and is noted on it', async (t) => {
  const { door, socket, remotePort } = await throughDoor(t);
  const passage = door.passageFrom(remotePort());
  door.cutAll();
  await closed(socket);
  assert.equal(passage?.disturbances.length, 1);
});

test('a stall holds back what comes until it is over', async (t) => {
  const { door, socket } = await throughDoor(t);
  const beganMs = performance.now();
  door.stall(200);
  socket.write('ping');
  assert.equal(String(await read(socket)), 'ping');
  assert.ok(performance.now() - beganMs >= 195, 'it came through the stall');
});

test('a door that is shut resets new connections and keeps the open ones', async (t) => {
  const { door, socket } = await throughDoor(t);
  door.shut(60_000);
  const late = connect(door.port, '127.0.0.1');
  late.on('error', () => undefined);
  await closed(late);
  socket.write('ping');
  assert.equal(String(await read(socket)), 'ping');
});

test('a door that leads nowhere resets connections', async (t) => {
  const door = await Door.open(() => undefined);
  t.after(() => door.close());
  const socket = connect(door.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await closed(socket);
});

// In a process of its own: a socket that is never closed keeps a process from exiting, at the full load of a core. The cut
// comes in the moment in which the door ends a connection, because the other side has: its shutdown is under way then.
const CUT_WHILE_ENDING = `
  import { once } from 'node:events';
  import { connect, createServer, Socket } from 'node:net';
  import { Door } from './test/chaos/door.ts';
  const server = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const door = await Door.open(() => server.address().port);
  const client = connect({ port: door.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => undefined);
  await once(server, 'connection');
  const closed = new Promise((resolve) => client.once('close', resolve));
  const { end } = Socket.prototype;
  client.end();
  Socket.prototype.end = function () {
    process.nextTick(() => process.nextTick(() => door.cutAll()));
    return end.call(this);
  };
  await closed;
  await door.close();
  server.close();
`;

test('a cut of a connection that is just being ended closes it, and the process can exit', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', CUT_WHILE_ENDING], { stdio: 'inherit' });
  const late = setTimeout(() => child.kill('SIGKILL'), EXITS_WITHIN_MS);
  const [code, signal] = await once(child, 'exit');
  clearTimeout(late);
  assert.deepEqual([code, signal], [0, null], `it did not exit by itself within ${EXITS_WITHIN_MS} ms`);
});

/** A connection through a door to a server that says back what it hears. */
async function throughDoor(t: TestContext) {
  const ports: (number | undefined)[] = [];
  const server: Server = createServer((socket) => {
    ports.push(socket.remotePort);
    socket.on('error', () => undefined).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const door = await Door.open(() => (typeof address === 'object' ? address?.port : undefined));
  const socket = connect(door.port, '127.0.0.1');
  socket.on('error', () => undefined);
  t.after(async () => {
    socket.destroy();
    await door.close();
    server.close();
  });
  // Said back once, so the connection stands from end to end.
  socket.write('hello');
  await read(socket);
  return { door, socket, remotePort: () => ports[0] };
}

/** Not `once`, which a reset makes reject. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

async function read(socket: Socket): Promise<Buffer> {
  const [chunk]: Buffer[] = await once(socket, 'data');
  return chunk ?? Buffer.alloc(0);
}
