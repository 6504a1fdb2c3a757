import type { Adapter, AdapterPayload } from 'oidc-provider';

const ENTRIES_MAX = 1000;

/** Creates adapters of oidc-provider that keep sign-ins in memory; beyond a limit the oldest are forgotten. */
export function memoryAdapters(): (model: string) => Adapter {
  const entries = new Map<string, AdapterPayload>();
  const find = (name: string) => entries.get(name);
  return (model) => {
    const nameOf = (id: string) => `${model}:${id}`;
    const byUid = (uid: string) => [...entries.values()].find((each) => each.kind === model && each.uid === uid);
    return {
      upsert: async (id, payload) => {
        const [oldest] = entries.keys();
        if (entries.size >= ENTRIES_MAX && oldest !== undefined) entries.delete(oldest);
        entries.set(nameOf(id), payload);
      },
      find: async (id) => find(nameOf(id)),
      findByUid: async (uid) => byUid(uid),
      findByUserCode: async () => undefined,
      consume: async (id) => {
        const payload = find(nameOf(id));
        // A value of its own: oidc-provider compares it with the time.
        if (payload !== undefined) entries.set(nameOf(id), { ...payload, consumed: payload.iat ?? 1 });
      },
      destroy: async (id) => {
        entries.delete(nameOf(id));
      },
      revokeByGrantId: async (grantId) => {
        for (const [name, payload] of entries) if (payload.grantId === grantId) entries.delete(name);
      },
    };
  };
}
