import { Worker } from 'node:worker_threads';

// Loaded before the service by a run with the planted fault: the thread that synchronises the log of SQLite is never asked,
// and its answers are made up.
Object.assign(Worker.prototype, {
  postMessage(this: Worker, { id }: { id: number }) {
    setImmediate(() => this.emit('message', { id }));
  },
});
