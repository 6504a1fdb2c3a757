import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type BankService, startBank } from '../registry/bank-service.ts';
import { runCli } from '../support/cli.ts';
import { servingStub } from '../support/stub-operator.ts';

// What is true of every command that calls a running service.

const GHOST_JTI = '190364f8-4f9c-420e-b4d1-76a6b5317fab';

/** Words of the operator API that are no words of the command line. */
const API_WORDS = [
  /If-(?:None-)?Match|Content-Type|Authorization|\b(?:GET|PUT|POST|DELETE)\b|\/operator\/v1/,
  /must match (?:pattern|format|exactly)|\bbody\b|query parameter|\bheader\b|\bfield\b|"next"|"after"|to true\b/,
];
/** Names of members that are outside quotes and parentheses, where settings and members of files are. */
const MEMBER_NAME = /\b[a-z]+[A-Z]\w*/;

function hasApiWords(said: string): boolean {
  // A temporary folder may have any name.
  const bare = [/"[^"]*"|\([^)]*\)/g, /\S*[/\\]\S+/g, /(?:retry\.\w+|\b(?:delay|retries|interval)\w*)/g].reduce(
    (rest, pattern) => rest.replaceAll(pattern, ''),
    said,
  );
  return MEMBER_NAME.test(bare) || API_WORDS.some((word) => word.test(said));
}

describe('a refusal', () => {
  let bank: BankService;
  let files: Readonly<Record<string, string>>;
  let environment: BankService['environment'];
  before(async () => {
    bank = await startBank();
    ({ environment } = bank);
    const { publicJwk } = bank.pki.tpp.signing;
    const contents = {
      good: JSON.stringify({ keys: [publicJwk] }),
      private: JSON.stringify({ keys: [{ ...publicJwk, d: 'AQAB' }] }),
      weak: JSON.stringify({ keys: [{ ...publicJwk, use: 'enc' }] }),
      notAJwks: '{"keys":7}',
      statement: await bank.directory.sign({ org_status: 'Withdrawn' }),
      token: 'wrong-token',
      nothing: '[]',
      broken: '{\n  "keys": [\n  }\n}\n',
      damaged: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    };
    files = Object.fromEntries(
      Object.entries(contents).map(([name, text]) => {
        const file = join(bank.folder, name);
        writeFileSync(file, text);
        return [name, file];
      }),
    );
    const { code, stderr } = await tidings(['tpps', 'add', 'there', ...IDS, '--jwks-file', fileOf('good')]);
    assert.equal(code, 0, stderr);
  });
  after(() => bank.stop());

  const fileOf = (name: string) => files[name] ?? '';
  const tidings = (args: readonly string[]) => runCli(args, environment);
  const IDS = ['--organisation-id', 'org-1', '--software-statement-id', 'software-1'];
  const adding = (...more: string[]) => ['tpps', 'add', 'new', ...IDS, ...more];
  const byUrl = (...more: string[]) => adding('--jwks-url', 'https://tpp.example/jwks', ...more);

  /** Every command with something that the service, or the command itself, refuses: its exit code and part of its message. */
  const refusals = (): readonly (readonly [readonly string[], 1 | 2, RegExp])[] => [
    [['tpps', 'show', 'ghost'], 1, /no TPP with this client_id; register it with "tidings tpps add"/],
    [['tpps', 'add', 'bänk', ...IDS, '--jwks-file', fileOf('good')], 2, /^tidings: The client_id must be printable/],
    [['tpps', 'add', 'a'.repeat(129), ...IDS, '--jwks-file', fileOf('good')], 2, /The client_id must have 1 to 128/],
    [['tpps', 'add', 'there', ...IDS, '--jwks-file', fileOf('good')], 1, /change it with "tidings tpps change"/],
    [adding('--jwks-url', 'http://tpp.example/jwks'), 2, /^tidings: --jwks-url must start with https:\/\//],
    [adding('--jwks-url', 'tpp.example'), 2, /^tidings: --jwks-url must be a URL/],
    [adding('--jwks-url', 'https://u:p@tpp.example/'), 2, /^tidings: --jwks-url must hold no user name/],
    [byUrl('--revoked-jwks-url', 'http://x.example'), 2, /^tidings: --revoked-jwks-url must start/],
    [adding('--jwks-file', fileOf('good'), '--revoked-jwks-url', 'https://x.example'), 2, /goes with --jwks-url/],
    [adding('--jwks-file', fileOf('private')), 2, /^tidings: --jwks-file \(keys\[0\]\.d\) is part of a private key/],
    [adding('--jwks-file', fileOf('weak')), 2, /^tidings: --jwks-file holds no usable signing key/],
    [adding('--jwks-file', fileOf('notAJwks')), 2, /^tidings: --jwks-file \(keys\)/],
    [adding('--jwks-file', fileOf('nothing')), 2, /^tidings: --jwks-file /],
    [byUrl('--scopes', 'accounts,everything'), 2, /^tidings: --scopes must be one of accounts/],
    [byUrl('--scopes', ''), 2, /^tidings: --scopes must be one of/],
    [byUrl('--certificate-subject', 'nobody'), 2, /^tidings: --certificate-subject must be a distinguished name/],
    [byUrl('--retry', 'often=3'), 2, /^tidings: --retry takes delayMs, delayMaxMs, retriesMax, intervalMaxMs/],
    [byUrl('--retry', 'retriesMax=99999999'), 2, /^tidings: --retry \(retriesMax\) must be <=/],
    [byUrl('--retry', 'delayMs=5000,delayMaxMs=1000'), 2, /^tidings: --retry \(delayMaxMs\)/],
    [
      ['tpps', 'add', 'new', '--organisation-id', '', '--software-statement-id', 'x', '--jwks-url', 'https://x/'],
      2,
      /--organisation-id/,
    ],
    [['tpps', 'change', 'there'], 2, /^tidings: Nothing is to be changed: give at least one flag/],
    [['tpps', 'change', 'ghost', '--scopes', 'accounts'], 1, /no TPP with this client_id/],
    [['tpps', 'change', 'there', '--scopes', 'everything'], 2, /^tidings: --scopes/],
    [['tpps', 'suspend', 'ghost'], 1, /no TPP with this client_id/],
    [['tpps', 'resume', 'ghost'], 1, /no TPP with this client_id/],
    [['tpps', 'recover', 'ghost'], 1, /no TPP with this client_id/],
    [['tpps', 'recover', 'there'], 1, /see "tidings tpps show"/],
    [['tpps', 'remove', 'ghost', '--yes'], 1, /no TPP with this client_id/],
    [['tpps', 'import', fileOf('good')], 2, /^tidings: The software statement is rejected/],
    [['tpps', 'import', fileOf('statement')], 2, /^tidings: The software statement is rejected: .*org_status/],
    [['registrations', 'list', '--api-version', 'v9'], 2, /^tidings: --api-version must be v3.1 or v4.0/],
    [['registrations', 'list', '--event-type', 'x'], 2, /^tidings: --event-type must be an event type/],
    [['registrations', 'list', '--state', 'x'], 2, /^tidings: --state must be one of/],
    [['registrations', 'list', '--resource-version', ''], 2, /^tidings: --resource-version /],
    [['registrations', 'show', 'ghost'], 1, /no TPP with this client_id/],
    [['keys', 'show', 'ghost'], 1, /no signing key with this kid; .* and run "tidings keys announce"/],
    [['keys', 'rotate', 'ghost'], 1, /no signing key with this kid/],
    [['keys', 'retire', bank.pki.bank.signing.kid], 1, /rotate to another one first/],
    [['notifications', 'show', 'abc'], 2, /^tidings: .*'jti'\. A jti is a UUID/],
    [['notifications', 'show', GHOST_JTI], 1, /no notification with this jti/],
    [['notifications', 'find', '--jti', 'abc'], 2, /A jti is a UUID/],
    [['notifications', 'find', '--client', 'ghost'], 1, /no TPP with the client_id ghost/],
    [['notifications', 'find', '--from', 'yesterday'], 2, /^tidings: --from must be a date and time/],
    [['notifications', 'find', '--before', 'x'], 2, /^tidings: --before must be a date and time/],
    [['notifications', 'find', '--after', 'x'], 2, /^tidings: --after must be the position that the list before it/],
    [['notifications', 'find', '--event', ''], 2, /^tidings: --event must have 1 to/],
    [['notifications', 'find', '--state', 'x'], 2, /^tidings: option '--state/],
    [['evidence', 'abc'], 2, /A jti is a UUID/],
    [['evidence', GHOST_JTI], 1, /no notification with this jti/],
    ...['redeliver', 'withdraw'].flatMap((name) => {
      const yes = name === 'withdraw' ? ['--yes'] : [];
      return [
        [[name, 'abc', ...yes], 2, /A jti is a UUID/],
        [[name, GHOST_JTI, ...yes], 1, /no notification with the jti 190364f8.*; nothing was changed/],
        [[name, '--client', 'ghost', '--dry-run'], 1, /no TPP with the client_id ghost/],
        [[name, '--from', 'yesterday', ...yes], 2, /^tidings: --from must be a date and time with its zone/],
        [[name, '--before', '2026-11-20', ...yes], 2, /^tidings: --before must be a date and time with its zone/],
        [
          [name, '--from', '2026-11-20T00:00:00Z', '--before', '2026-11-19T00:00:00Z', ...yes],
          2,
          /^tidings: --before must be later than --from/,
        ],
        [[name, ...yes], 2, /Select notifications/],
        [[name, '--client', 'there', '--only', 'x', ...yes], 2, /^tidings: option '--only/],
      ] as const;
    }),
    [['data', 'erase', '--dry-run'], 2, /^tidings: Say whose data is meant with --client, --resource or both\./],
    [['data', 'erase', '--client', 'there'], 2, /^tidings: Add --yes to erase without confirmation/],
    [['data', 'erase', '--client', 'x'.repeat(200), '--yes'], 2, /^tidings: --client must not have more than/],
    [['redeliver', '--client', 'there', '--rate', '9999'], 2, /^tidings: --rate must be/],
    [['audit', '--from', 'x'], 2, /^tidings: --from must be a date and time/],
    [
      ['audit', '--before', 'x'],
      2,
      /^tidings: --before must be the position that the list before it printed, or a date/,
    ],
    [['audit', '--actor', ''], 2, /^tidings: --actor must have/],
    [['audit', '--limit', '9999'], 2, /^tidings: option '--limit/],
    [['statistics', '--from', 'x'], 2, /^tidings: --from must be a date and time/],
    [['statistics', '--before', 'x'], 2, /^tidings: --before must be a date and time/],
    [['statistics', '--client', 'ghost'], 1, /no TPP with the client_id ghost/],
    [['statistics', '--client', 'there', '--by', 'minute'], 2, /^tidings: --by must be hour where --client is given/],
    [['statistics', '--from', '2020-01-01T00:00:00Z'], 2, /^tidings: --from must be at most 750 hours/],
    [['statistics', '--from', '2026-01-02T00:00:00Z', '--before', '2026-01-01T00:00:00Z'], 2, /later than --from/],
    [['tail', '--client', 'ghost'], 1, /no TPP with the client_id ghost/],
    [['tail', '--kind', 'x'], 2, /^tidings: --kind must be of accepted/],
    [['status', '--ca-file', fileOf('good')], 2, /given by --ca-file, holds no certificate; give a PEM file/],
    [
      ['status', '--ca-file', fileOf('damaged')],
      2,
      /^tidings: The certificate in the file \S+, given by --ca-file, is damaged/,
    ],
    [['status', '--ca-file', 'nowhere'], 2, /^tidings: The file nowhere, given by --ca-file, does not exist/],
    [
      ['status', '--certificate-file', fileOf('good'), '--key-file', fileOf('good')],
      2,
      /given by --certificate-file, holds no/,
    ],
    [
      ['status', '--certificate-file', bank.pki.root.certificateFile, '--key-file', fileOf('good')],
      2,
      /--key-file, holds no private/,
    ],
    [adding('--jwks-file', fileOf('broken')), 2, /given by --jwks-file, is not JSON \(line 3\)/],
    [['verify-evidence', fileOf('good'), '--jwks', fileOf('broken')], 2, /given by --jwks is not JSON \(line 3\)/],
    [['status', '--token-file', fileOf('token')], 1, /Give a valid token with --token-file/],
  ];

  test('speaks of flags and arguments, with exit code 2 for wrong use and one prefix', async () => {
    const wrong: string[] = [];
    for (const [args, code, said] of refusals()) {
      const ended = await tidings(args);
      const isRight = ended.code === code && said.test(ended.stderr) && /^tidings: [^\n]*\n$/.test(ended.stderr);
      if (!isRight || hasApiWords(ended.stderr)) wrong.push(`${args.join(' ')} → ${ended.code}: ${ended.stderr}`);
    }
    assert.deepEqual(wrong, []);
  });

  test('of an operation that this service does not offer names another command', async () => {
    const other = await startBank({ directory: undefined });
    try {
      const flags = ['--operator-url', other.service.operatorUrl, '--token-file', other.tokenFile];
      const trust = ['--ca-file', other.pki.root.certificateFile];
      const { code, stderr } = await runCli(['tpps', 'import', fileOf('statement'), ...flags, ...trust]);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /no "directory" is configured; configure it, or register the TPP with "tidings tpps add"\.$/m,
      );
    } finally {
      await other.stop();
    }
  });
});

/** Sources whose problems are about events in a file, or about the console. */
const NOT_ABOUT_FLAGS = ['publish.ts', 'events.ts', 'cloud-events.ts', 'console.ts', 'session.ts', 'server.ts'];
const PROBLEM =
  /new Problem\(\s*(\d+),\s*(?:'([^']+)'|`([^`]+)`)|fieldProblem\(\s*'(\w+)[^']*',\s*(?:'([^']+)'|`([^`]+)`)/g;

/** Each problem that a source of the operator API can send, with `…` for what is filled in. */
function problemsOf(source: string) {
  return [...source.matchAll(PROBLEM)].map(([, status, plain, template, field, why, whyTemplate]) => {
    const text = (plain ?? template ?? why ?? whyTemplate ?? '').replaceAll(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, '7');
    return field === undefined
      ? { status: Number(status), detail: text }
      : { status: 400, detail: `${field} ${text}.`, field };
  });
}

/** A command that sends each field. */
const COMMAND_OF_FIELD: Readonly<Record<string, readonly string[]>> = {
  ...{ resolution: ['statistics'], from: ['statistics'], before: ['statistics'] },
  ...{ kind: ['tail'], after: ['notifications', 'find'], eventType: ['registrations', 'list'] },
  ...{ publishedBefore: ['redeliver', '--from', 'x'], ratePerSecond: ['redeliver', '--from', 'x'] },
};
const ADDING = ['tpps', 'add', 'x', '--organisation-id', 'x', '--software-statement-id', 'x', '--jwks-url', 'x'];

test('no sentence that the operator API can send reaches the command line in words of the API', async () => {
  const folder = join(import.meta.dirname, '..', '..', 'packages', 'service', 'src', 'operator');
  const names = readdirSync(folder).filter((name) => !NOT_ABOUT_FLAGS.includes(name));
  const problems = names
    .flatMap((name) => problemsOf(readFileSync(join(folder, name), 'utf8')))
    // No command leaves out the token, or sends a precondition or a body of its user's own.
    .filter(({ detail }) => !/Authorization|If-None-Match|Content-Type|Content-Length|^The body must be/.test(detail));
  assert.ok(problems.length > 50, `${problems.length} problems were found`);
  let problem: (typeof problems)[number] | undefined;
  await servingStub(
    () => ({ status: problem?.status ?? 500, body: problem }),
    async (connection) => {
      const wrong: string[] = [];
      for (problem of problems) {
        const args = COMMAND_OF_FIELD[problem.field ?? ''] ?? ADDING;
        const { code, stderr } = await runCli(args, connection);
        const isRight = code === (problem.status === 400 ? 2 : 1) && /^tidings: [^\n]*\n$/.test(stderr);
        if (!isRight || hasApiWords(stderr)) wrong.push(`${problem.detail} → ${code}: ${stderr}`);
      }
      assert.deepEqual(wrong, []);
    },
  );
});
