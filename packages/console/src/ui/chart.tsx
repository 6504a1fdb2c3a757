import { type ReactElement, useEffect, useRef } from 'react';
import UPlot from 'uplot';
import { Scroller } from './scroller.tsx';
import 'uplot/dist/uPlot.min.css';

/** One line of a chart; its colour is a custom property of the style sheet. */
interface Line {
  readonly label: string;
  readonly color: string;
  readonly values: readonly (number | null)[];
  /** Drawn dashed, so that lines are told apart without colour. */
  readonly isDashed?: boolean;
}

interface ChartProps {
  /** The subject of the chart, for those who do not see it. */
  readonly label: string;
  /** Seconds since the epoch. */
  readonly timesSeconds: readonly number[];
  readonly lines: readonly Line[];
  /** Writes a value with its unit. Must be the same function at each call. */
  readonly format?: (value: number) => string;
}

const HEIGHT_PX = 180;
const FEW = 30;

/** Of the day, in UTC. */
function formatTick(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(11, 16);
}

/** Lines over time, in UTC, with a table of the same beside them for those who cannot see or point. */
export function Chart({ label, timesSeconds, lines, format = String }: ChartProps): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const plot = new UPlot(
      optionsOf(element, lines, format),
      [[...timesSeconds], ...lines.map(({ values }) => [...values])],
      element,
    );
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: HEIGHT_PX }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [timesSeconds, lines, format]);
  return (
    <figure className="chart" aria-label={label}>
      <div ref={host} className="plot" aria-hidden="true" />
      <figcaption>
        <details>
          <summary>As a table</summary>
          <Scroller className="scroll" label={`${label}, as a table`}>
            <ChartTable timesSeconds={timesSeconds} lines={lines} format={format} />
          </Scroller>
        </details>
      </figcaption>
    </figure>
  );
}

function ChartTable({ timesSeconds, lines, format = String }: Omit<ChartProps, 'label'>): ReactElement {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Time (UTC)</th>
          {lines.map(({ label }) => (
            <th scope="col" key={label}>
              {label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {timesSeconds.map((seconds, at) => (
          <tr key={seconds}>
            <th scope="row">{new Date(seconds * 1000).toISOString().slice(11, 16)}</th>
            {lines.map(({ label, values }) => (
              <td key={label}>{formatted(values[at], format)}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function formatted(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? '–' : format(value);
}

function optionsOf(element: HTMLElement, lines: readonly Line[], format: (value: number) => string): UPlot.Options {
  const style = getComputedStyle(element);
  const colorOf = (name: string) => style.getPropertyValue(name);
  const axis = { stroke: colorOf('--text-2'), grid: { stroke: colorOf('--line'), width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(element.clientWidth, 200),
    height: HEIGHT_PX,
    tzDate: (seconds) => UPlot.tzDate(new Date(seconds * 1000), 'UTC'),
    legend: { live: true },
    cursor: { points: { size: 6 }, drag: { x: false, y: false } },
    scales: { y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [
      { ...axis, values: (_plot, ticks) => ticks.map(formatTick) },
      { ...axis, size: 64, values: (_plot, ticks) => ticks.map(format) },
    ],
    series: [
      { label: 'UTC', value: (_plot, seconds) => (seconds === null ? '–' : formatTick(seconds)) },
      ...lines.map(({ label, color, values, isDashed = false }) => ({
        label,
        stroke: colorOf(color),
        width: 2,
        // A value between two gaps is a point, or it would not be seen.
        points: { show: values.filter((value) => value !== null).length < FEW },
        ...(isDashed && { dash: [6, 4] }),
        value: (_plot: UPlot, value: number | null) => formatted(value, format),
      })),
    ],
  };
}
