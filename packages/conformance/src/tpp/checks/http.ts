import { SET_MEDIA_TYPE } from '@tidings/protocol';
import { waitFor } from '../../clock.ts';
import type { Outcome } from '../../model.ts';
import type { TppContext } from '../context.ts';
import { type Delivery, described, headerOf } from '../endpoint.ts';
import {
  afterBaseline,
  checksOf,
  expectOfAll,
  failed,
  isAcknowledged,
  isRefused,
  isTurnedAway,
  passed,
} from '../judge.ts';
import { converse, handshake } from '../raw.ts';
import { EN_RESOURCE, RT, rfc } from '../sources.ts';

const { acknowledges, refuses, check } = checksOf('HTTP');

const PARTS = 4;
const TURNED_AWAY = 'each is refused, or its connection closed';
const SMUGGLING = 'Where two parsers in a row disagree about the end of a message, a second one can be hidden in it.';

/** Checks of requests and connections. */
export const HTTP_CHECKS = [
  acknowledges(
    'must',
    {
      id: 'TPP-HTTP-01',
      title: 'A body in chunks, without Content-Length, is read',
      source: rfc(9112, '7.1'),
      remedy: 'Use an HTTP server that reads the chunked transfer coding, and do not demand Content-Length.',
    },
    ({ bank }) => [{ name: 'chunked', delivery: { token: bank.token(), isChunked: true } }],
  ),
  check(
    'must',
    {
      id: 'TPP-HTTP-02',
      title: 'A body that comes slowly is read to its end before the response',
      source: rfc(9110, '9.3.3'),
      rule: 'A body may come in several packets, with pauses between them. An acknowledgement before its end acknowledges what the TPP does not have yet.',
      remedy: 'Read the whole body, verify and store it, and then answer. Allow some seconds for it.',
    },
    async ({ endpoint, bank, config }) => {
      const slowly = { parts: PARTS, pauseMs: config.timing.slowBodyMs / (PARTS - 1) };
      const answer = await endpoint.deliver({ token: bank.token(), slowly });
      if (answer.kind === 'answered' && answer.isEarly) {
        return failed('202 after the whole body has come', `${described(answer)} before the last part was sent`);
      }
      return isAcknowledged(answer) ? passed : failed('202 Accepted', described(answer));
    },
  ),
  check(
    'must',
    {
      id: 'TPP-HTTP-03',
      title: 'A body that ends before its Content-Length is not acknowledged',
      source: rfc(9112, '8'),
      rule: 'A message that is shorter than its Content-Length is incomplete, even when what has come is a good token.',
      remedy: 'Answer nothing, or 400, when the connection ends within the body.',
    },
    afterBaseline(async (context) => {
      const token = context.bank.token();
      const { received } = await rawly(
        context,
        requestText(context, { token, headers: { 'content-length': String(token.length + 10) } }),
        true,
      );
      return / 202 /.test(received.slice(0, 20)) ? failed('no acknowledgement', firstLine(received)) : passed;
    }),
  ),
  check(
    'must',
    {
      id: 'TPP-HTTP-04',
      title: 'Notifications one after the other on one connection are acknowledged',
      source: rfc(9112, '9.3'),
      rule: 'Banks keep connections open, because a handshake for each notification is slow.',
      remedy: 'Leave connections open between requests, or close them with Connection: close.',
    },
    (context) => onOneConnection(context, [true, true, true]),
  ),
  check(
    'must',
    {
      id: 'TPP-HTTP-05',
      title: 'A refusal does not harm the next notification on the same connection',
      source: rfc(9112, '9.3'),
      remedy: 'Read the body of a request before you refuse it, or close the connection with Connection: close.',
    },
    afterBaseline((context) => onOneConnection(context, [true, false, true])),
  ),
  acknowledges(
    'should',
    {
      id: 'TPP-HTTP-06',
      title: 'The media type is compared without regard to case and parameters',
      source: rfc(9110, '8.3.1'),
      remedy: 'Parse Content-Type, and compare its type and subtype.',
    },
    ({ bank }) =>
      ['Application/JWT', `${SET_MEDIA_TYPE}; charset=utf-8`].map((type) => ({
        name: type,
        delivery: { token: bank.token(), headers: { 'content-type': type } },
      })),
  ),
  refuses(
    'should',
    {
      id: 'TPP-HTTP-07',
      title: 'A body of another media type is refused',
      source: `${EN_RESOURCE}; ${rfc(9110, '15.5.16')}`,
      rule: 'A notification is application/jwt. What a browser can be made to send from a foreign page, such as text/plain, is none.',
      remedy: 'Answer 415 to every other Content-Type.',
    },
    ({ bank }) =>
      [undefined, 'application/json', 'text/plain', 'application/x-www-form-urlencoded', 'application/jwtx', '*/*'].map(
        (type) => ({
          name: type ?? 'no Content-Type',
          delivery: { token: bank.token(), headers: { 'content-type': type } },
        }),
      ),
  ),
  refuses(
    'must',
    {
      id: 'TPP-HTTP-08',
      title: 'An empty body is refused',
      source: EN_RESOURCE,
      remedy: 'Answer 400 to it.',
    },
    () => [{ name: 'empty', delivery: { token: '' } }],
  ),
  check(
    'should',
    {
      id: 'TPP-HTTP-09',
      title: 'Methods other than POST are refused, with Allow where the status is 405',
      source: `${EN_RESOURCE}; ${rfc(9110, '15.5.6')}`,
      remedy: 'Answer 405 with Allow: POST.',
    },
    afterBaseline(async (context) =>
      expectOfAll(
        context,
        ['GET', 'PUT', 'PATCH', 'DELETE'].map((method) => ({
          name: method,
          delivery: { token: context.bank.token(), method },
        })),
        {
          holds: (answer) =>
            (isRefused(answer) && (answer.status !== 405 || headerOf(answer, 'allow') !== undefined)) ||
            (answer.kind === 'answered' && answer.status === 501),
          expected: 'each is refused, such as with 405 and Allow: POST',
        },
      ),
    ),
  ),
  check(
    'should',
    {
      id: 'TPP-HTTP-10',
      title: 'A body that is not in the content coding which it names is refused',
      source: rfc(9110, '8.4'),
      rule: 'The standard knows no compressed notifications. Where Content-Encoding is ignored, a proxy before the receiver and the receiver see different bodies.',
      remedy: 'Answer 415 to a Content-Encoding that you do not support, and 400 to a body that cannot be decoded.',
    },
    afterBaseline((context) =>
      expectOfAll(
        context,
        ['gzip', 'br', 'unknown'].map((coding) => ({
          name: coding,
          delivery: { token: context.bank.token(), headers: { 'content-encoding': coding } },
        })),
        { holds: isTurnedAway, expected: 'each is refused, such as with 415' },
      ),
    ),
  ),
  ...(['with its Content-Length', 'in chunks'] as const).map((way, at) =>
    check(
      'must',
      {
        id: `TPP-HTTP-1${at + 1}`,
        title: `A token of the bank that is far too large is refused, ${way}`,
        source: rfc(9110, '15.5.14'),
        rule: 'Whoever reads without a limit can be filled up by anybody. This token is signed by the bank, so that its size is all that is wrong with it.',
        remedy: 'Stop reading at a limit, such as 128 kB, and answer 413, or close the connection.',
      },
      afterBaseline(async (context) => {
        const padding = 'x'.repeat(context.config.oversizeBytes);
        const token = context.bank.token({ claims: { padding } });
        const variant = { name: `${Math.round(token.length / 1024)} kB`, delivery: { token, isChunked: at === 1 } };
        return expectOfAll(context, [variant], {
          holds: isTurnedAway,
          expected: '413, or another refusal, or a closed connection',
        });
      }),
    ),
  ),
  check(
    'must',
    {
      id: 'TPP-HTTP-13',
      title: 'A request whose length can be read in two ways is refused, or its connection closed',
      source: `${rfc(9112, '6.1')}; ${rfc(9112, '6.3')}`,
      rule: SMUGGLING,
      remedy:
        'Use an HTTP server, and a proxy before it, that refuse Content-Length beside Transfer-Encoding, and two lengths that differ.',
    },
    afterBaseline(async (context) => {
      const token = context.bank.token();
      const chunked = `${token.length.toString(16)}\r\n${token}\r\n0\r\n\r\n`;
      const variants = [
        [
          'Content-Length and Transfer-Encoding',
          requestText(context, { token, headers: { 'content-length': '5', 'transfer-encoding': 'chunked' } }, chunked),
        ],
        [
          'two lengths',
          requestText(context, { token, headers: { 'content-length': `${token.length}\r\ncontent-length: 5` } }),
        ],
        ['a length with a sign', requestText(context, { token, headers: { 'content-length': `+${token.length}` } })],
      ] as const;
      const failures: string[] = [];
      for (const [name, text] of variants) {
        const { received, isEnded } = await rawly(context, text, false);
        const isAccepted = /^HTTP\/1\.[01] 202 /.test(received);
        // A response is tolerable where nothing of this connection is read after it.
        if (isAccepted && !isEnded) failures.push(`${name}: ${firstLine(received)}, and the connection stays open`);
      }
      return failures.length === 0 ? passed : failed(TURNED_AWAY, failures.join('; '));
    }),
  ),
  check(
    'should',
    {
      id: 'TPP-HTTP-14',
      title: 'Nothing is acknowledged at another path',
      source: `${RT}, Callback URL`,
      remedy: 'Answer 404 at every path that is not a callback URL.',
    },
    afterBaseline(async (context) => {
      const path = `${context.endpoint.url.pathname}/conformance-${context.bank.uuid()}`;
      return expectOfAll(context, [{ name: '', delivery: { token: context.bank.token(), path } }], {
        holds: isTurnedAway,
        expected: '404, or another refusal',
      });
    }),
  ),
];

/** Sends good and bad notifications over a connection that stays open as long as the other side lets it. */
async function onOneConnection(
  { endpoint, bank, clock, signal }: TppContext,
  areGood: readonly boolean[],
): Promise<Outcome> {
  const agent = endpoint.keepAlive();
  try {
    for (const [at, isGood] of areGood.entries()) {
      const delivery: Delivery = {
        token: isGood ? bank.token() : bank.token({ claims: { aud: 'somebody-else' } }),
        agent,
      };
      const answer = await endpoint.deliver(delivery);
      const which = `request ${at + 1} on the connection`;
      if (isGood && !isAcknowledged(answer)) return failed(`202 to ${which}`, described(answer));
      if (!isGood && !isRefused(answer)) return failed(`a refusal of ${which}`, described(answer));
      // A close that is on its way is seen before the connection is used again.
      await waitFor(clock, 20, signal);
    }
    return passed;
  } finally {
    agent.destroy();
  }
}

function requestText({ endpoint, bank }: TppContext, { token, headers = {} }: Delivery, body = token): string {
  const { pathname, search, host } = endpoint.url;
  const all = { host, 'content-type': SET_MEDIA_TYPE, 'x-fapi-interaction-id': bank.uuid(), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `POST ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Sends bytes over a connection of their own. @param isCut ends this side after them */
async function rawly(context: TppContext, text: string, isCut: boolean) {
  const { endpoint, clock, signal, config } = context;
  const scope = { clock, signal, timeoutMs: config.timing.quietMs };
  const began = endpoint.begin();
  const result = await handshake(endpoint, {}, { ...scope, timeoutMs: config.timing.answerMs });
  if (result.kind !== 'done') throw new Error(`the TLS handshake failed: ${result.why}`);
  const talk = converse(result.socket, text, scope);
  if (isCut) result.socket.end();
  const { received, isEnded } = await talk;
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const [startLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)] as const);
  const request = { startLine, headers, body };
  const ending = isEnded ? 'closed by the other side' : 'still open';
  endpoint.record(
    received === ''
      ? { request, error: `no response; the connection was ${ending}` }
      : {
          request,
          response: { startLine: firstLine(received), headers: [['connection-afterwards', ending]], body: received },
        },
    began,
  );
  return { received, isEnded };
}

function firstLine(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf('\r\n'))) || 'no response';
}
