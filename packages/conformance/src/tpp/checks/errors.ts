import { isJsonObject, parseMediaType, SET_ERROR_CODES } from '@tidings/protocol';
import type { TppContext } from '../context.ts';
import type { Answer } from '../endpoint.ts';
import { headerOf } from '../endpoint.ts';
import { pss } from '../forge.ts';
import { afterBaseline, checksOf, expectOfAll, isRefused, tokenVariants, type Variant } from '../judge.ts';
import { EN_RESOURCE, rfc } from '../sources.ts';
import { strangerKey } from '../strangers.ts';

const { check } = checksOf('Error responses');

const PUSH_ERRORS = rfc(8935, '2.3');
const BAD_REQUEST = 400;

/** Tokens that are refused for different causes, with the codes of RFC 8935 that tell each. */
function refusedFor({ bank }: TppContext): readonly (Variant & { readonly codes: readonly string[] })[] {
  const causes = [
    ['another audience', bank.token({ claims: { aud: 'somebody-else' } }), ['invalid_audience']],
    ['another issuer', bank.token({ claims: { iss: 'https://another-bank.example' } }), ['invalid_issuer']],
    ['an unknown kid', bank.token({ header: { kid: `unknown-${bank.uuid()}` } }), ['invalid_key']],
    ['a stranger’s signature', bank.token({ signing: pss(strangerKey()) }), ['authentication_failed', 'invalid_key']],
    ['no token', 'hello', ['invalid_request']],
  ] as const;
  return causes.map(([name, token, codes]) => ({ name, delivery: { token }, codes }));
}

/** Checks of the responses with which a TPP refuses. */
export const ERROR_CHECKS = [
  check(
    'should',
    {
      id: 'TPP-ERR-01',
      title: 'A notification that is refused gets 400',
      source: `${EN_RESOURCE}; ${PUSH_ERRORS}`,
      remedy: 'Answer 400 to a token that cannot be parsed, verified or believed.',
    },
    afterBaseline((context) =>
      expectOfAll(context, refusedFor(context), {
        holds: (answer) => isRefused(answer) && answer.status === BAD_REQUEST,
        expected: '400 to each',
      }),
    ),
  ),
  check(
    'should',
    {
      id: 'TPP-ERR-02',
      title: 'The body of a 400 is JSON with err and description',
      source: PUSH_ERRORS,
      rule: 'The bank shows them to its operators: without them nobody at the bank can tell what the TPP misses.',
      remedy: 'Answer {"err": "...", "description": "..."} as application/json, with err of the IANA registry.',
    },
    afterBaseline((context) =>
      expectOfAll(context, refusedFor(context), {
        holds: (answer) => {
          const body = errorOf(answer);
          return SET_ERROR_CODES.some((code) => code === body?.err) && typeof body?.description === 'string';
        },
        expected: `application/json with err, one of ${SET_ERROR_CODES.join(', ')}, and description`,
      }),
    ),
  ),
  check(
    'may',
    {
      id: 'TPP-ERR-03',
      title: 'err says what is wrong',
      source: rfc(8935, '2.4'),
      remedy:
        'Use invalid_audience, invalid_issuer, invalid_key, authentication_failed and invalid_request each for its cause.',
    },
    afterBaseline(async (context) => {
      for (const { codes, ...variant } of refusedFor(context)) {
        const outcome = await expectOfAll(context, [variant], {
          holds: (answer) => codes.some((code) => code === errorOf(answer)?.err),
          expected: `err ${codes.join(' or ')} for ${variant.name}`,
        });
        if (outcome.kind !== 'passed') return outcome;
      }
      return { kind: 'passed' };
    }),
  ),
  check(
    'may',
    {
      id: 'TPP-ERR-04',
      title: 'A response with a description has Content-Language',
      source: PUSH_ERRORS,
      remedy: 'Set Content-Language, such as en.',
    },
    afterBaseline((context) =>
      expectOfAll(context, refusedFor(context).slice(0, 1), {
        holds: (answer) =>
          errorOf(answer) === undefined ||
          (answer.kind === 'answered' && headerOf(answer, 'content-language') !== undefined),
        expected: 'Content-Language beside a description',
      }),
    ),
  ),
  check(
    'should',
    {
      id: 'TPP-ERR-05',
      title: 'A refusal reveals nothing of the inside',
      source: 'CWE-209',
      rule: 'Stack traces, file names and names of libraries help whoever looks for a way in.',
      remedy: 'Answer with your own texts, and log the exception.',
    },
    afterBaseline((context) =>
      expectOfAll(
        context,
        [...refusedFor(context), ...tokenVariants([['broken JSON', context.bank.sign('{"alg"', '{"iss":')]])],
        {
          holds: (answer) => answer.kind === 'lost' || !INSIDE.test(answer.body),
          expected: 'no stack trace, file name or exception in a body',
        },
      ),
    ),
  ),
];

const INSIDE =
  /\bat [\w.$<>]+ ?\(|:\d+:\d+\)|Traceback \(most recent|\b[\w.]+(?:Exception|Error):|node_modules|\.java:\d+|\.py", line|\/(?:usr|home|app|var|srv|opt)\/[\w./-]+/;

function errorOf(answer: Answer): { readonly err: unknown; readonly description: unknown } | undefined {
  if (answer.kind !== 'answered') return undefined;
  if (parseMediaType(headerOf(answer, 'content-type'))?.essence !== 'application/json') return undefined;
  try {
    const body: unknown = JSON.parse(answer.body);
    return isJsonObject(body) ? { err: body['err'], description: body['description'] } : undefined;
  } catch {
    return undefined;
  }
}
