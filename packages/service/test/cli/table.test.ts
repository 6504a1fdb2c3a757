import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Column, fitTable } from '../../src/cli/table.ts';
import { formatBytes, formatDuration, formatRelative, formatTime, formatTimeShort } from '../../src/cli/units.ts';

interface Row {
  readonly id: string;
  readonly at?: string;
  readonly url?: string;
  readonly note?: string;
}

const NOW_MS = Date.parse('2026-11-29T20:41:07.000Z');
const COLUMNS: readonly Column<Row>[] = [
  { head: 'ID', cell: ({ id }) => id },
  {
    head: 'AT',
    cell: ({ at }, nowMs) => at && { whole: formatTime(at, nowMs), short: formatTimeShort(at, nowMs) },
    rank: 1,
  },
  { head: 'URL', cell: ({ url }) => url, rank: 2, charsMin: 8 },
  { head: 'NOTE', cell: ({ note }) => note, rank: 3, charsMin: 6 },
];
const ROWS: readonly Row[] = [
  { id: 'one', at: '2026-11-29T20:38:00.120Z', url: 'https://tpp.example/events', note: 'a remark' },
  { id: 'three', at: '2026-11-20T08:00:00.000Z' },
];

const linesAt = (widthMax: number | undefined, rows = ROWS) => fitTable(COLUMNS, rows, { widthMax, nowMs: NOW_MS });

test('a table without a width shows everything', () => {
  assert.deepEqual(linesAt(undefined), {
    isShortened: false,
    lines: [
      'ID     AT                                 URL                         NOTE',
      'one    2026-11-29T20:38:00.120Z (3m ago)  https://tpp.example/events  a remark',
      'three  2026-11-20T08:00:00.000Z (9d ago)',
    ],
  });
});

test('an optional column is left out where no row has a value', () => {
  const columns = COLUMNS.map((column) => ({ ...column, isOptional: true }));
  const linesOf = (rows: readonly Row[]) => fitTable(columns, rows, { widthMax: undefined, nowMs: NOW_MS }).lines;
  assert.deepEqual(linesOf([{ id: 'one' }, { id: 'two', note: 'a remark' }]), ['ID   NOTE', 'one', 'two  a remark']);
});

test('a narrow table first takes short times, then cuts values, then drops columns by rank', () => {
  assert.deepEqual(linesAt(63).lines, [
    'ID     AT                 URL                         NOTE',
    'one    20:38:00Z 3m ago   https://tpp.example/events  a remark',
    'three  2026-11-20 9d ago',
  ]);
  assert.deepEqual(linesAt(50).lines, [
    'ID     AT                 URL               NOTE',
    'one    20:38:00Z 3m ago   https://tpp.exa…  a rem…',
    'three  2026-11-20 9d ago',
  ]);
  assert.deepEqual(linesAt(36).lines, [
    'ID     AT                 URL',
    'one    20:38:00Z 3m ago   https://t…',
    'three  2026-11-20 9d ago',
  ]);
  assert.deepEqual(linesAt(10), { isShortened: true, lines: ['ID', 'one', 'three'] });
});

test('no line is wider than asked for, whatever the values are', () => {
  const long = 'abc\u{1F3E6}'.repeat(40);
  for (let width = 1; width <= 160; width += 1) {
    const { lines } = linesAt(width, [...ROWS, { id: long, url: long, note: long }]);
    for (const line of lines) assert.ok([...line].length <= width, `${width}: ${line}`);
  }
});

test('control characters of a value are replaced', () => {
  assert.deepEqual(linesAt(undefined, [{ id: 'a\u001b[2Jb' }]).lines.at(-1), 'a\ufffd[2Jb');
});

test('durations, sizes and times have units that people read', () => {
  const durations = [0.4, 840, 1250, 59_900, 60_000, 200_000, 7_500_000, 187_200_000].map(formatDuration);
  assert.deepEqual(durations, ['0 ms', '840 ms', '1.25 s', '59.9 s', '1m', '3m 20s', '2h 5m', '2d 4h']);
  const sizes = [0, 999, 1000, 1_234_567, 123_456_789, 5e15].map(formatBytes);
  assert.deepEqual(sizes, ['0 B', '999 B', '1.0 kB', '1.2 MB', '123 MB', '5000 TB']);
  const relative = [0, 999, -1000, -59_999, -86_400_000, 7_200_000].map((offsetMs) =>
    formatRelative(new Date(NOW_MS + offsetMs).toISOString(), NOW_MS),
  );
  assert.deepEqual(relative, ['now', 'now', '1s ago', '59s ago', '1d ago', 'in 2h']);
});
