import { API_VERSIONS } from '@tidings/protocol';
import type { Parameter, PathItem } from '../openapi/model.ts';
import { parameterRef } from '../openapi/schemas.ts';
import { CALLBACK_URLS_PER_PAGE, CALLBACK_URLS_PER_PAGE_MAX } from './callback-urls.ts';
import { ok, operation } from './operations-common.ts';
import { REGISTRATION_STATES, REGISTRATIONS_PER_PAGE, REGISTRATIONS_PER_PAGE_MAX } from './registrations.ts';

const query = (name: string, description: string, schema: object = { type: 'string' }): Parameter => {
  return { name, in: 'query', description, schema };
};

function paging(byDefault: number, maximum: number): Parameter[] {
  return [
    query('after', '"next" of the page before'),
    query('limit', 'Most on the page', { type: 'integer', minimum: 1, maximum, default: byDefault }),
  ];
}

/** What all TPPs registered, and how their callback URLs fare. */
export function registrationPaths(): Record<string, PathItem> {
  const states = { type: 'string', enum: ['responsive', 'unresponsive'] };
  const urls = {
    parameters: [query('state', 'Only these', states), ...paging(CALLBACK_URLS_PER_PAGE, CALLBACK_URLS_PER_PAGE_MAX)],
    responses: ok('One page', 'CallbackUrlPage'),
  };
  const one = { parameters: [parameterRef('clientId')], responses: ok('How it fares', 'CallbackUrlHealth') };
  return {
    '/operator/v1/registrations': {
      get: operation(
        'listRegistrations',
        'TPPs',
        'Event subscriptions and callback URLs of all TPPs, in the order of the client_ids',
        { parameters: registrationParameters(), responses: ok('One page', 'RegistrationPage') },
        [400],
      ),
    },
    '/operator/v1/callback-urls': {
      get: operation('listCallbackUrls', 'TPPs', 'How the callback URLs fare that are pushed to', urls, [400]),
    },
    '/operator/v1/callback-urls/{clientId}': {
      get: operation(
        'getCallbackUrl',
        'TPPs',
        'How the callback URL of a TPP fares, with its last outcomes',
        one,
        [404],
      ),
    },
  };
}

function registrationParameters(): Parameter[] {
  return [
    query('apiVersion', 'Made or last changed through this version of the API', {
      type: 'string',
      enum: [...API_VERSIONS],
    }),
    query('version', 'With this minimum version of resources'),
    query(
      'eventType',
      'That are told of events of this type, by its URN or code; not looked at: versions of resources',
    ),
    query('state', 'Only these', { type: 'string', enum: [...REGISTRATION_STATES] }),
    ...paging(REGISTRATIONS_PER_PAGE, REGISTRATIONS_PER_PAGE_MAX),
  ];
}
