import type { ReactElement, ReactNode } from 'react';

/** A table with a header for each column. Its rows are the children; by default they stack on a narrow screen. */
export function Table({
  columns,
  className = 'stacking',
  children,
}: {
  readonly columns: readonly string[];
  readonly className?: string;
  readonly children: ReactNode;
}): ReactElement {
  return (
    <table className={className}>
      <thead>
        <tr>
          {columns.map((column) => (
            <th scope="col" key={column}>
              {column}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}
