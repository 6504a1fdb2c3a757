import { createHash } from 'node:crypto';
import { type EventTypeCatalogue, type EventTypeRule, isVersion, shapeOf } from '@tidings/protocol';
import type { BankEvent } from '../store/store.ts';
import { EVENTS_PER_BATCH_MAX, PublishedEvent } from './publish-schemas.ts';
import { fieldProblem, joinPath, shapedValue } from './read-body.ts';

const shapeEvent = shapeOf(PublishedEvent);

// The bank's systems and this one may tell slightly different times; receivers refuse a toe in the future.
const FUTURE_TOLERANCE_MS = 30_000;
const STANDARD_REASONS = new Set(['UK.OBIE.AccountClosure', 'UK.OBIE.CASS']);

/**
 * Reads the body of a publish: one event, or an array of up to 1,000. All are checked before any is published.
 *
 * @throws {Problem} 400 that names the field, as in `[3].resource.id`
 */
export function readEvents(body: unknown, catalogue: EventTypeCatalogue, nowMs: number): readonly BankEvent[] {
  if (!Array.isArray(body)) return [readEvent(body, '', catalogue, nowMs)];
  if (body.length === 0) throw fieldProblem('', 'must hold at least one event');
  if (body.length > EVENTS_PER_BATCH_MAX) {
    throw fieldProblem('', `holds ${body.length} events; send at most ${EVENTS_PER_BATCH_MAX} at once`);
  }
  return body.map((event: unknown, index) => readEvent(event, `[${index}]`, catalogue, nowMs));
}

function readEvent(value: unknown, at: string, catalogue: EventTypeCatalogue, nowMs: number): BankEvent {
  const published = shapedValue(shapeEvent(value), at);
  const { resource } = published;
  // Banks write both 4.0 and v4.0.
  const version = resource.version.replace(/^v/, '');
  if (!isVersion(version)) throw fieldProblem(joinPath(at, 'resource.version'), 'must be a version such as 4.0');
  const event = {
    id: published.id,
    clientId: published.clientId,
    occurredAtMs: readOccurredAt(published.occurredAt, at, nowMs),
    transactionId: published.transactionId,
    resource: { ...resource, version },
    events: readEventTypes(published, at, catalogue),
  };
  return { ...event, fingerprint: fingerprintOf(event) };
}

function readOccurredAt(text: string, at: string, nowMs: number): number {
  const occurredAtMs = Date.parse(text);
  const path = joinPath(at, 'occurredAt');
  if (Number.isNaN(occurredAtMs) || occurredAtMs < 0) {
    throw fieldProblem(path, 'must be a date and time with its zone, such as 2026-11-21T09:30:00Z');
  }
  if (occurredAtMs > nowMs + FUTURE_TOLERANCE_MS) throw fieldProblem(path, 'lies in the future; check the clocks');
  return occurredAtMs;
}

function readEventTypes(published: PublishedEvent, at: string, catalogue: EventTypeCatalogue): BankEvent['events'] {
  const seen = new Set<string>();
  return published.events.map(({ type: name, reason }, index) => {
    const path = joinPath(at, `events[${index}]`);
    const type = catalogue.find(name);
    if (type === undefined) throw fieldProblem(`${path}.type`, `is not an event type: ${supportedTypes(catalogue)}`);
    if (seen.has(type.urn)) throw fieldProblem(`${path}.type`, 'stands twice; name each event type once');
    seen.add(type.urn);
    checkReason(type, reason, `${path}.reason`);
    if (type.resourceType !== undefined && published.resource.type !== type.resourceType) {
      throw fieldProblem(
        joinPath(at, 'resource.type'),
        `must be ${type.resourceType} for an event of type ${type.urn}`,
      );
    }
    return { type, reason };
  });
}

function checkReason(type: EventTypeRule, reason: string | undefined, path: string): void {
  if (reason === undefined) return;
  if (!type.reasonAllowed) throw fieldProblem(path, `is not allowed for an event of type ${type.urn}; leave it out`);
  // The namespace of the standard holds these two; a bank's own reasons lie in its own.
  const inStandard = reason.startsWith('UK.OBIE.');
  if (inStandard && !STANDARD_REASONS.has(reason)) {
    throw fieldProblem(path, `must be ${[...STANDARD_REASONS].join(', ')}, or one of your own namespace`);
  }
}

function supportedTypes(catalogue: EventTypeCatalogue): string {
  return `use one of ${catalogue.all.map(({ urn }) => urn).join(', ')}`;
}

/** Over the event as it was understood, so that spelling (white space, order, time zone) does not matter. */
function fingerprintOf(event: Omit<BankEvent, 'fingerprint'>): string {
  const { id: eventId, clientId, occurredAtMs, transactionId, resource, events } = event;
  const links = resource.links.map(({ version, link }) => [version, link]);
  const types = events.map(({ type, reason }) => [type.urn, reason]);
  const about = [resource.id, resource.type, resource.version, resource.uri, links];
  const content = JSON.stringify([eventId, clientId, occurredAtMs, transactionId, about, types]);
  return createHash('sha256').update(content).digest('hex');
}
