import type { MappingSettings } from '../config/intake.ts';
import { parseTemplate, type TemplatePart, type TemplateSource } from '../config/template.ts';
import { fieldProblem, readJson } from '../operator/request.ts';
import type { IntakeRecord } from './source.ts';

/** Turns a record of the bank into the fields of an event; undefined: a condition passes it over. @throws {Problem} 400 */
export type MapRecord = (record: IntakeRecord) => object | undefined;

/** A record, and its value as JSON, which is parsed when it is first needed. */
interface Mapped {
  readonly record: IntakeRecord;
  readonly json: () => unknown;
}

/** Gives the text of a template; undefined: the record lacks what it names. @throws {Problem} if it has something unusable */
type Fill = (mapped: Mapped) => string | undefined;

/** Compiles a mapping, whose templates are known to be valid. */
export function createMapping(settings: MappingSettings): MapRecord {
  const tables = new Map((settings.lookups ?? []).map((lookup) => [lookup.name, tableOf(lookup)]));
  const compile = (text: string): Fill => {
    const parts = parseTemplate(text, [...tables.keys()]);
    return (mapped) => fill(parts, mapped, tables);
  };
  const required = (text: string, field: string) => {
    const filled = compile(text);
    return (mapped: Mapped) => {
      const value = filled(mapped);
      if (value === undefined) throw fieldProblem(field, `is mapped from ${text}, which the record lacks`);
      return value;
    };
  };
  const optional = (text: string | undefined) => (text === undefined ? () => undefined : compile(text));
  const conditions = (settings.when ?? []).map(({ value, in: values }) => {
    const [filled, wanted] = [compile(value), new Set(values)];
    return (mapped: Mapped) => wanted.has(filled(mapped) ?? '');
  });
  const { resource } = settings;
  const id = required(settings.id, 'id');
  const clientId = required(settings.clientId, 'clientId');
  const occurredAt = required(settings.occurredAt, 'occurredAt');
  const transactionId = optional(settings.transactionId);
  const events = settings.events.map(({ type, reason }, at) => {
    return { type: required(type, `events[${at}].type`), reason: optional(reason) };
  });
  const fields = (['id', 'type', 'version', 'uri'] as const).map((name) => {
    return [name, required(resource[name], `resource.${name}`)] as const;
  });
  const links = resource.links.map(({ version, link }, at) => {
    const path = `resource.links[${at}]`;
    return { version: required(version, `${path}.version`), link: required(link, `${path}.link`) };
  });
  return (record) => {
    const mapped = { record, json: lazily(() => readJson(record.value)) };
    if (!conditions.every((holds) => holds(mapped))) return undefined;
    const transaction = transactionId(mapped);
    return {
      ...{ id: id(mapped), clientId: clientId(mapped), occurredAt: occurredAt(mapped) },
      ...(transaction !== undefined && { transactionId: transaction }),
      events: events.map(({ type, reason }) => {
        const why = reason(mapped);
        return { type: type(mapped), ...(why !== undefined && { reason: why }) };
      }),
      resource: {
        ...Object.fromEntries(fields.map(([name, value]) => [name, value(mapped)])),
        links: links.map(({ version, link }) => ({ version: version(mapped), link: link(mapped) })),
      },
    };
  };
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Translates a value; undefined: the table has nothing for it. */
type Table = (value: string) => string | undefined;

function tableOf(lookup: NonNullable<MappingSettings['lookups']>[number]): Table {
  const rows = new Map(lookup.values.map(({ from, to }) => [from, to]));
  return (value) => rows.get(value) ?? lookup.default;
}

function fill(parts: readonly TemplatePart[], mapped: Mapped, tables: ReadonlyMap<string, Table>): string | undefined {
  let text = '';
  for (const part of parts) {
    if ('literal' in part) {
      text += part.literal;
      continue;
    }
    let value = textFrom(part.source, mapped, part.written);
    for (const filter of part.filters) {
      if (value !== undefined) value = translate(value, filter, tables, part.written);
    }
    if (value === undefined) return undefined;
    text += value;
  }
  return text;
}

function textFrom(source: TemplateSource, { record, json }: Mapped, written: string): string | undefined {
  switch (source.kind) {
    case 'json':
      return scalarOf(valueAt(json(), source.path), written);
    case 'header': {
      const bytes = record.headers.find(([name]) => name === source.name)?.[1];
      return bytes && textOf(bytes, written);
    }
    case 'key':
      return record.key && textOf(record.key, written);
    case 'timestamp':
      return String(record.timestampMs);
    default:
      return String(record[source.kind]);
  }
}

function valueAt(json: unknown, path: readonly (string | number)[]): unknown {
  let value = json;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    if (Array.isArray(value) !== (typeof name === 'number')) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

function scalarOf(value: unknown, written: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'object') throw fieldProblem(written, 'must be a text, a number or a boolean');
  // Two identifiers that differ in their last digits would become one event.
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw fieldProblem(written, 'is a number with more digits than JSON readers keep; write it as a text');
  }
  return String(value);
}

function textOf(bytes: Uint8Array, written: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw fieldProblem(written, 'must be UTF-8');
  }
}

function translate(value: string, filter: string, tables: ReadonlyMap<string, Table>, written: string): string {
  if (filter === 'epochMs' || filter === 'epochSeconds') {
    const time = new Date(Number(value) * (filter === 'epochMs' ? 1 : 1000));
    if (value.trim() === '' || Number.isNaN(time.getTime())) throw fieldProblem(written, 'must be a time as a number');
    return time.toISOString();
  }
  const found = tables.get(filter)?.(value);
  if (found === undefined) throw fieldProblem(written, `has a value that the table "${filter}" lacks`);
  return found;
}
