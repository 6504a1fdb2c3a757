import type { OpenRequest, Reply, SignRequest } from './messages.ts';
import { Module, ModuleError } from './module.ts';

// The process that has the library of the module. It ends with the process that started it.

const module = new Module();

// Sent to all processes of the service, which still signs while it stops.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);

process.on('message', (request: OpenRequest | SignRequest) => {
  const { id } = request;
  answer(request).then(reply, (error: unknown) => {
    const { fault, message, isPinRefused } =
      error instanceof ModuleError ? error : new ModuleError('unavailable', String(error));
    reply({ id, kind: 'failed', fault, message, isPinRefused });
  });
});

async function answer(request: OpenRequest | SignRequest): Promise<Reply> {
  const { id } = request;
  if (request.kind === 'open') return { id, kind: 'opened', ...module.open(request) };
  return { id, kind: 'signed', signature: await module.sign(request.key, request.digest) };
}

function reply(message: Reply): void {
  process.send?.(message);
}
