import type { Outcome } from '../../model.ts';
import type { TppContext } from '../context.ts';
import { type Answer, described } from '../endpoint.ts';
import { afterBaseline, checksOf, failed, isAcknowledged, isRefused, passed } from '../judge.ts';
import { handshake } from '../raw.ts';
import { RT } from '../sources.ts';

const { check } = checksOf('Load');

const STALLED = 16;

/** Checks of many requests at once. */
export const LOAD_CHECKS = [
  check(
    'should',
    {
      id: 'TPP-LOAD-01',
      title: 'A burst of notifications is acknowledged',
      source: `${RT}, Event Notification Retry Policy`,
      rule: 'After an outage a bank sends what has gathered. What is not acknowledged in time is sent again, which makes the burst longer.',
      remedy: 'Store the notification and answer; do what follows from it later.',
    },
    (context) => burst(context, () => true),
  ),
  check(
    'must',
    {
      id: 'TPP-LOAD-02',
      title: 'Forged notifications within a burst are refused, and the good ones acknowledged',
      source: RT,
      rule: 'What is kept between requests, such as a parser or a buffer, must not carry the result of one into another.',
      remedy: 'Keep nothing of one request where another one finds it.',
    },
    afterBaseline((context) => burst(context, (at) => at % 2 === 0)),
  ),
  check(
    'should',
    {
      id: 'TPP-LOAD-03',
      title: 'Connections that send nothing further do not keep notifications from coming',
      source: RT,
      rule: 'Anybody can open connections to a callback URL. A few that stall must not block the bank.',
      remedy: 'Serve connections independently of each other, and set a timeout for requests.',
    },
    async (context) => {
      const { endpoint, bank, clock, signal, config } = context;
      const opened = await Promise.all(
        Array.from({ length: STALLED }, () =>
          handshake(endpoint, {}, { clock, signal, timeoutMs: config.timing.answerMs }),
        ),
      );
      const sockets = opened.flatMap((each) => (each.kind === 'done' ? [each.socket] : []));
      try {
        const { host, pathname } = endpoint.url;
        for (const socket of sockets) {
          socket.write(
            `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/jwt\r\ncontent-length: 900\r\n\r\neyJ`,
          );
        }
        const answer = await endpoint.deliver({ token: bank.token() });
        return isAcknowledged(answer)
          ? passed
          : failed(`202 while ${sockets.length} requests are stalled`, described(answer));
      } finally {
        for (const socket of sockets) socket.destroy();
      }
    },
  ),
];

async function burst({ endpoint, bank, config }: TppContext, isGood: (at: number) => boolean): Promise<Outcome> {
  const answers = await Promise.all(
    Array.from({ length: config.burst }, async (_, at) => {
      const token = isGood(at) ? bank.token() : bank.token({ claims: { aud: `somebody-else-${at}` } });
      return { good: isGood(at), answer: await endpoint.deliver({ token }) };
    }),
  );
  const wrong = answers.filter(({ good, answer }) => !(good ? isAcknowledged(answer) : isRefused(answer)));
  if (wrong.length === 0) return passed;
  const seen = Map.groupBy(wrong, ({ good, answer }) => `${good ? 'good' : 'forged'}: ${shortly(answer)}`);
  const actual = [...seen].map(([what, members]) => `${members.length} times ${what}`).join('; ');
  return failed(`of ${config.burst} at once, every good one acknowledged and every forged one refused`, actual);
}

function shortly(answer: Answer): string {
  return answer.kind === 'lost' ? described(answer) : `${answer.status} ${answer.phrase}`.trim();
}
