import type { ReactElement } from 'react';

const PATHS = {
  health: 'M3 12h4l2.5-7 5 14 2.5-7h4',
  tpps: 'M4 20v-2a4 4 0 0 1 4-4h3a4 4 0 0 1 4 4v2M9.5 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M20 20v-2a4 4 0 0 0-3-3.8M16 4.2a3.5 3.5 0 0 1 0 6.6',
  notifications: 'M4 6h16v12H4zM4 7l8 6 8-6',
  live: 'M12 12h.01M8.5 15.5a5 5 0 0 1 0-7M15.5 8.5a5 5 0 0 1 0 7M5.6 18.4a9 9 0 0 1 0-12.8M18.4 5.6a9 9 0 0 1 0 12.8',
  keys: 'M14.5 9.5a4.5 4.5 0 1 0-4.2 4.5L12 15.7h2v2h2v2h4v-3.2l-5.8-5.8c.2-.4.3-.8.3-1.2M9 8.5h.01',
  audit: 'M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7',
  system: 'M4 5h16v6H4zM4 13h16v6H4zM7.5 8h.01M7.5 16h.01',
  reference: 'M8 5 3 12l5 7M16 5l5 7-5 7',
  ok: 'M5 12.5 10 17.5 19.5 7',
  warn: 'M12 4 2.5 20h19zM12 10v4.5M12 17.3h.01',
  bad: 'M6 6l12 12M18 6 6 18',
  wait: 'M12 7v5l3.5 2M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 4.5v15l12-7.5z',
  none: 'M6 12h12',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  link: 'M9 5H5v14h14v-4M13 4h7v7M20 4l-9 9',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13M15.5 15.5 21 21',
  menu: 'M4 7h16M4 12h16M4 17h16',
  poll: 'M20 8A8.5 8.5 0 0 0 4.5 9M4 4v5h5M4 16a8.5 8.5 0 0 0 15.5-1M20 20v-5h-5',
} as const;

export type IconName = keyof typeof PATHS;

/** A drawing beside a word, which says the same; it is hidden from assistive technology. */
export function Icon({ name }: { readonly name: IconName }): ReactElement {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
