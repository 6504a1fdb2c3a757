import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { CliError } from '../../src/cli/cli-error.ts';
import type { OperatorReply } from '../../src/cli/operator-client.ts';
import { formatDuration } from '../../src/cli/publish/display.ts';
import {
  type Batch,
  type BatchOptions,
  beginning,
  type InvalidLine,
  LINE_BYTES_MAX,
  readBatches,
} from '../../src/cli/publish/input.ts';
import { publishAll } from '../../src/cli/publish/run.ts';
import { Sender } from '../../src/cli/publish/send.ts';

// `tidings publish` from the lines of a file to what the service takes, with a service that refuses as the real one does.

const OPTIONS: BatchOptions = { linesMax: 1000, areIdsDerived: false, isPromptly: false };

/** What a service has taken, by id, and how it answers. `quality` of an event: what the service finds of it. */
class ModelService {
  readonly taken = new Map<string, string>();
  /** Every id of every request that was taken. */
  readonly accepted: string[] = [];
  readonly #linesMax: number;
  readonly #later: number[];

  constructor(linesMax: number, later: readonly number[]) {
    this.#linesMax = linesMax;
    this.#later = [...later];
  }

  async ask({ sent }: { readonly sent?: { readonly bytes: Uint8Array } }): Promise<OperatorReply> {
    const whim = this.#later.shift() ?? 0;
    for (let turns = whim; turns > 0; turns -= 1) await turn();
    const events = JSON.parse(Buffer.from(sent?.bytes ?? []).toString()) as { id: string; quality: string }[];
    if (whim % 5 === 4) return reply(429, {});
    if (events.length > this.#linesMax) return reply(413, {});
    const at = events.findIndex(({ quality }) => quality === 'invalid');
    if (at !== -1) return reply(400, { field: `[${at}].quality`, detail: `[${at}].quality must be better.` });
    const ids = conflictsOf(events, this.taken);
    if (ids.length > 0) return reply(409, { ids, detail: 'Other content.' });
    const outcomes = events.map(({ id, quality }) => {
      const repeated = this.taken.has(id);
      this.taken.set(id, quality);
      this.accepted.push(id);
      return { id, outcome: 'notification', jti: `jti-${id}`, repeated };
    });
    return reply(200, { outcomes });
  }
}

function conflictsOf(events: readonly { id: string; quality: string }[], taken: ReadonlyMap<string, string>): string[] {
  const known = new Map(taken);
  const ids = new Set<string>();
  for (const { id, quality } of events) {
    if ((known.get(id) ?? quality) !== quality) ids.add(id);
    known.set(id, quality);
  }
  return [...ids];
}

function reply(status: number, body: Record<string, unknown>): OperatorReply {
  const detail = typeof body['detail'] === 'string' ? body['detail'] : undefined;
  return { status, body, detail, entityTag: undefined, retryAfterSeconds: status === 429 ? 2 : undefined };
}

async function* chunksOf(text: string, sizes: readonly number[] = []): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  let at = 0;
  for (let n = 0; at < bytes.length; n += 1) {
    const size = sizes.length === 0 ? bytes.length : (sizes[n % sizes.length] ?? 1);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function batchesOf(text: string, options: Partial<BatchOptions> = {}, sizes?: readonly number[]) {
  const batches: Batch[] = [];
  for await (const batch of readBatches(chunksOf(text, sizes), beginning(), { ...OPTIONS, ...options }))
    batches.push(batch);
  return batches;
}

interface World {
  readonly isContinuing: boolean;
  readonly linesMax: number;
  readonly inFlightMax: number;
  readonly service: ModelService;
  readonly onDone?: (lines: number) => void;
}

/** Publishes a text. @returns what became of it */
async function publishText(text: string, { isContinuing, linesMax, inFlightMax, service, onDone }: World) {
  const reading = new AbortController();
  const sending = new AbortController();
  const bad: InvalidLine[] = [];
  const rejected: number[] = [];
  const waits: number[] = [];
  let doneLines = 0;
  const sender = new Sender({
    client: {
      ask: (call) => service.ask(call),
      refused: (status) => new CliError(1, `answered ${status}`),
      read: () => assert.fail('nothing is read'),
    },
    clock: {
      after: (_delayMs, callback) => {
        const timer = setImmediate(callback);
        return () => clearImmediate(timer);
      },
    },
    ...{ isContinuing, halted: sending.signal, abort: sending.signal },
    onWait: (seconds) => void waits.push(seconds),
    onPublished: () => undefined,
    onInvalidLine: (line) => void bad.push(line),
  });
  const isDone = await publishAll({
    batches: readBatches(chunksOf(text), beginning(), { ...OPTIONS, linesMax }),
    ...{ sender, inFlightMax, reading, sending },
    onDone: ({ lines, offsetBytes, sha256 }, newlyRejected) => {
      assert.ok(lines >= doneLines, 'in the order of the file');
      const before = text.slice(0, offsetBytes);
      assert.equal(before.split('\n').length - 1, lines, 'the offset is that of the line');
      assert.equal(sha256, createHash('sha256').update(before).digest('hex'));
      doneLines = lines;
      onDone?.(lines);
      for (const id of goodIdsOf(text, lines))
        assert.ok(service.accepted.includes(id), `${id} is done and not published`);
      rejected.push(...newlyRejected.map(({ number }) => number));
    },
  });
  return { isDone, bad, rejected, waits, doneLines, tally: sender.tally };
}

/** Ids of the good ones among the first lines of a text that {@link textOf} made. */
function goodIdsOf(text: string, lines: number): string[] {
  const first = text.split('\n').slice(0, lines);
  return first.flatMap((line) => (line.includes('"quality":"good"') ? [(JSON.parse(line) as { id: string }).id] : []));
}

/** A line of a file, by what it is. */
const QUALITIES = ['good', 'invalid', 'taken', 'nonsense'] as const;
const textOf = (qualities: readonly (typeof QUALITIES)[number][]) =>
  qualities
    .map((quality, at) => (quality === 'nonsense' ? '{' : JSON.stringify({ id: `e-${at}`, quality })))
    .map((line) => `${line}\n`)
    .join('');

const aWorld = fc.record({
  qualities: fc.array(fc.constantFrom(...QUALITIES, 'good', 'good', 'good'), { minLength: 1, maxLength: 24 }),
  linesMax: fc.integer({ min: 1, max: 10 }),
  inFlightMax: fc.integer({ min: 1, max: 4 }),
  serviceLinesMax: fc.integer({ min: 1, max: 10 }),
  later: fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 20 }),
});

function serviceOf({ qualities, serviceLinesMax, later }: typeof aWorld extends fc.Arbitrary<infer T> ? T : never) {
  const service = new ModelService(serviceLinesMax, later);
  for (const [at, quality] of qualities.entries()) if (quality === 'taken') service.taken.set(`e-${at}`, 'another');
  return service;
}

test('with --continue each good line is in one accepted request, and every other one is rejected, in order', async () => {
  await fc.assert(
    fc.asyncProperty(aWorld, async (world) => {
      const service = serviceOf(world);
      const { isDone, bad, rejected, doneLines, tally, waits } = await publishText(textOf(world.qualities), {
        ...world,
        isContinuing: true,
        service,
      });
      const numbered = world.qualities.map((quality, at) => ({ quality, id: `e-${at}`, number: at + 1 }));
      const good = numbered.filter(({ quality }) => quality === 'good');
      assert.deepEqual(service.accepted.toSorted(), good.map(({ id }) => id).toSorted());
      const others = numbered.filter(({ quality }) => quality !== 'good').map(({ number }) => number);
      assert.deepEqual(rejected, others);
      assert.deepEqual(
        bad.map(({ number }) => number).toSorted((one, other) => one - other),
        others,
      );
      assert.deepEqual([isDone, doneLines, tally.published], [true, numbered.length, good.length]);
      assert.ok(waits.every((seconds) => seconds === 2));
    }),
  );
});

test('without it all lines before the first bad one are published, it is named, and one at a time none behind it', async () => {
  await fc.assert(
    fc.asyncProperty(aWorld, async (world) => {
      const service = serviceOf(world);
      const { isDone, bad, doneLines } = await publishText(textOf(world.qualities), {
        ...world,
        isContinuing: false,
        service,
      });
      const firstBad = world.qualities.findIndex((quality) => quality !== 'good');
      const before = world.qualities.slice(0, firstBad === -1 ? undefined : firstBad).map((_quality, at) => `e-${at}`);
      assert.equal(new Set(service.accepted).size, service.accepted.length, 'none twice');
      assert.ok(
        before.every((id) => service.accepted.includes(id)),
        `${before} of ${service.accepted}`,
      );
      assert.equal(isDone, firstBad === -1);
      assert.equal(
        Math.min(...bad.map(({ number }) => number)),
        firstBad === -1 ? Number.POSITIVE_INFINITY : firstBad + 1,
      );
      assert.equal(doneLines, before.length, 'the next run goes on at the bad line');
      if (world.inFlightMax === 1) assert.deepEqual(service.accepted, before);
      // What was under way beside the bad line, and no more.
      const last = Math.max(-1, ...service.accepted.map((id) => Number(id.slice(2))));
      assert.ok(firstBad === -1 || last < firstBad + world.linesMax * world.inFlightMax, `${last}`);
    }),
  );
});

test('of two lines with one id and other content the later is the bad one, and the same line twice is none', async () => {
  const lines = [
    { id: 'a', quality: 'good' },
    { id: 'b', quality: 'good' },
    { id: 'a', quality: 'fine' },
    { id: 'b', quality: 'good' },
  ];
  const service = new ModelService(9, []);
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const { bad, tally } = await publishText(text, { isContinuing: true, linesMax: 9, inFlightMax: 1, service });
  assert.deepEqual(
    bad.map(({ number, field, why }) => [number, field, why]),
    [[3, 'id', 'Another event was published with this id (a); give each event its own id.']],
  );
  assert.equal(tally.published, 3);
});

test('a bad line is reported with its field and remedy, without its place in the batch', async () => {
  const { bad } = await publishText(textOf(['good', 'invalid']), {
    isContinuing: false,
    linesMax: 9,
    inFlightMax: 1,
    service: new ModelService(9, []),
  });
  assert.deepEqual(
    bad.map(({ number, field, why }) => [number, field, why]),
    [[2, 'quality', 'quality must be better.']],
  );
});

test('lines of a batch that were published before the service failed count as done, and those behind them do not', async () => {
  const service = new ModelService(1, []);
  const take = service.ask.bind(service);
  service.ask = async (call) => (service.accepted.length === 3 ? reply(500, {}) : take(call));
  const done: number[] = [];
  const world = {
    isContinuing: false,
    linesMax: 8,
    inFlightMax: 1,
    service,
    onDone: (lines: number) => done.push(lines),
  };
  const run = publishText(textOf(['good', 'good', 'good', 'good', 'good']), world);
  await assert.rejects(run, { message: 'answered 500' });
  assert.deepEqual(done, [3]);
});

test('another refusal ends it with what the service says, and so does an answer that is none', async () => {
  for (const answer of [reply(401, {}), reply(200, {}), reply(200, { outcomes: [] })]) {
    const service = new ModelService(9, []);
    service.ask = async () => answer;
    const run = publishText(textOf(['good', 'good']), { isContinuing: true, linesMax: 1, inFlightMax: 2, service });
    await assert.rejects(run, { message: `answered ${answer.status}` });
  }
});

test('however the input comes in pieces, its batches are the same, and end where their hash says', async () => {
  const anyLine = fc.constantFrom(
    '{"id":"1"}',
    '{"id":"é"}',
    '{"specversion":"1.0","id":"x","source":"/"}',
    '',
    ' \r',
    '{"id":"2"}\r',
    'x',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyLine),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      fc.integer({ min: 1, max: 4 }),
      async (lines, sizes, linesMax) => {
        const text = lines.join('\n');
        const batches = await batchesOf(text, { linesMax }, sizes);
        assert.deepEqual(batches, await batchesOf(text, { linesMax }));
        for (const { lines: inBatch, end } of batches) {
          const before = Buffer.from(text).subarray(0, end.offsetBytes);
          assert.equal(end.sha256, createHash('sha256').update(before).digest('hex'));
          assert.equal(end.lines, before.toString().replace(/\n$/, '').split('\n').length);
          assert.ok(inBatch.length <= linesMax);
          assert.ok(
            new Set(inBatch.map(({ kind }) => kind).filter((kind) => kind !== 'invalid')).size <= 1,
            'of one kind',
          );
        }
        assert.equal(
          batches.flatMap(({ lines: inBatch }) => inBatch).length,
          lines.filter((line) => line.trim() !== '').length,
        );
        assert.equal(batches.at(-1)?.end.offsetBytes ?? 0, Buffer.byteLength(text));
      },
    ),
  );
});

test('a pipe is published as it comes; a file in whole batches', async () => {
  const text = '{"id":"1"}\n{"id":"2"}\n{"id":"3"}\n';
  assert.equal((await batchesOf(text, { isPromptly: true }, [11])).length, 3);
  assert.equal((await batchesOf(text, {}, [11])).length, 1);
});

test('a line that is far too long ends the reading behind what is before it', async () => {
  const read = readBatches(chunksOf(`{"id":"1"}\n${'x'.repeat(LINE_BYTES_MAX + 1)}`, [100_000]), beginning(), OPTIONS);
  assert.equal((await read.next()).value?.lines.length, 1);
  await assert.rejects(read.next(), /Line 2 is longer than 1048576 bytes/);
});

test('ids are derived from content and number, for lines that have none', async () => {
  const text = '{"a":1}\n{"a":1}\n{"id":"own"}\n{"a":2}\n';
  const idsOf = async () =>
    (await batchesOf(text, { areIdsDerived: true }))[0]?.lines.map((line) =>
      line.kind === 'invalid' ? '' : (JSON.parse(Buffer.from(line.sent).toString()) as { id: string }).id,
    ) ?? [];
  const ids = await idsOf();
  assert.equal(new Set(ids).size, 4);
  assert.equal(ids[2], 'own');
  assert.match(ids[3] ?? '', /^line-4-[0-9a-f]{40}$/);
  assert.deepEqual(await idsOf(), ids);
  const refused = await batchesOf(text);
  assert.deepEqual(
    refused[0]?.lines.map(({ kind }) => kind),
    ['invalid', 'invalid', 'event', 'invalid'],
  );
});

test('the time left is shown as hours, minutes and seconds', () => {
  assert.deepEqual([0, 59.2, 61, 3600, -1].map(formatDuration), ['00:00', '01:00', '01:01', '1:00:00', '00:00']);
});
