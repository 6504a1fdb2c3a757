import type { ApiVersion } from '@tidings/protocol';
import type { AspspContext } from '../context.ts';
import { checksOf, described, expect, expectStatus } from '../expect.ts';
import { SUB_RELEASES, SUB_RESOURCE } from '../sources.ts';

const { must, should } = checksOf<AspspContext>('Versions');
const PATH = 'event-subscriptions';
const FORBIDDEN = 403;

/** Registers through one version. */
async function createdThrough(context: AspspContext, version: ApiVersion): Promise<string> {
  for (const each of ['v3.1', 'v4.0'] as const) context.requireVersion(each);
  await context.first.clear();
  return await context.first.create(PATH, { Version: '3.1' }, { version });
}

function put(context: AspspContext, version: ApiVersion, id: string) {
  const body = { Data: { EventSubscriptionId: id, Version: '3.1', EventTypes: [] } };
  return context.first.call('PUT', `${PATH}/${id}`, { version, body });
}

/** Checks of section 2: registrations of one version, used through the other. */
export const VERSION_CHECKS = [
  must('VER-01', 'What v4.0 created is not read through v3.1.', SUB_RELEASES, async (context) => {
    await createdThrough(context, 'v4.0');
    const answer = await context.first.call('GET', PATH, { version: 'v3.1' });
    expectStatus(answer, [200, FORBIDDEN], 'to GET through v3.1');
    if (answer.status === FORBIDDEN) return;
    const list = await context.first.list(PATH, 'v3.1');
    expect(list.length === 0, 'an empty list through v3.1', described(answer));
  }),
  must('VER-02', 'What v4.0 created is not changed through v3.1: 403.', SUB_RELEASES, async (context) => {
    const id = await createdThrough(context, 'v4.0');
    expectStatus(await put(context, 'v3.1', id), FORBIDDEN, 'to PUT through v3.1');
    const [kept] = await context.first.list(PATH, 'v4.0');
    expect(
      kept !== undefined && kept['EventTypes'] === undefined,
      'the registration to be unchanged',
      JSON.stringify(kept),
    );
  }),
  must('VER-03', 'What v4.0 created is not deleted through v3.1: 403.', SUB_RELEASES, async (context) => {
    const id = await createdThrough(context, 'v4.0');
    expectStatus(
      await context.first.call('DELETE', `${PATH}/${id}`, { version: 'v3.1' }),
      FORBIDDEN,
      'to DELETE through v3.1',
    );
    expect((await context.first.list(PATH, 'v4.0')).length === 1, 'the registration to be kept', 'none');
  }),
  must('VER-04', 'Beside what v4.0 created, v3.1 creates no second one: 409.', SUB_RELEASES, async (context) => {
    await createdThrough(context, 'v4.0');
    const answer = await context.first.call('POST', PATH, { version: 'v3.1', body: { Data: { Version: '3.1' } } });
    expectStatus(answer, 409, 'to POST through v3.1');
  }),
  must('VER-05', 'What v3.1 created is read through v4.0.', SUB_RELEASES, async (context) => {
    const id = await createdThrough(context, 'v3.1');
    const list = await context.first.list(PATH, 'v4.0');
    expect(list[0]?.['EventSubscriptionId'] === id, `a list of ${id} through v4.0`, JSON.stringify(list));
  }),
  must('VER-06', 'What v3.1 created is changed through v4.0.', SUB_RELEASES, async (context) => {
    const id = await createdThrough(context, 'v3.1');
    expectStatus(await put(context, 'v4.0', id), 200, 'to PUT through v4.0');
  }),
  must('VER-07', 'What v3.1 created is deleted through v4.0.', SUB_RELEASES, async (context) => {
    const id = await createdThrough(context, 'v3.1');
    expectStatus(
      await context.first.call('DELETE', `${PATH}/${id}`, { version: 'v4.0' }),
      204,
      'to DELETE through v4.0',
    );
    expect((await context.first.list(PATH, 'v3.1')).length === 0, 'an empty list through v3.1', 'a registration');
  }),
  should('VER-08', 'What v4.0 has changed is a registration of v4.0 from then on.', SUB_RELEASES, async (context) => {
    const id = await createdThrough(context, 'v3.1');
    expectStatus(await put(context, 'v4.0', id), 200, 'to PUT through v4.0');
    expectStatus(await put(context, 'v3.1', id), FORBIDDEN, 'to a later PUT through v3.1');
  }),
  must('VER-09', 'Version of the body is apart from the version of the path.', SUB_RESOURCE, async (context) => {
    context.requireVersion('v4.0');
    for (const Version of ['3.1', '3.1.2', '3.1.11', '4.0']) {
      await context.first.clear();
      await context.first.create(PATH, { Version }, { version: 'v4.0' });
      const [found] = await context.first.list(PATH, 'v4.0');
      expect(found?.['Version'] === Version, `Version ${Version}, as it was sent`, JSON.stringify(found));
    }
  }),
];
