import { importsOf, resolveRelative } from './imports.ts';
import type { Violation } from './violation.ts';

/**
 * Finds files that import each other in a circle at run time, one violation for each circle.
 * Types may refer to each other in a circle: they are gone before anything is loaded.
 */
export function checkCycles(sources: ReadonlyMap<string, string>): Violation[] {
  const graph = new Map([...sources].map(([path, source]) => [path, edgesOf(path, source, sources)]));
  const done = new Set<string>();
  return [...graph.keys()].sort().flatMap((path) => visit(path, [], graph, done));
}

type Edges = ReadonlyMap<string, number>;

function edgesOf(path: string, source: string, sources: ReadonlyMap<string, string>): Edges {
  const edges = new Map<string, number>();
  for (const { specifier, line, typeOnly } of importsOf(path, source)) {
    const target = specifier === undefined ? undefined : resolveRelative(path, specifier);
    if (target !== undefined && !typeOnly && sources.has(target) && !edges.has(target)) edges.set(target, line);
  }
  return edges;
}

// Depth first; a file still on the trail closes a circle, and a finished file is never entered again.
function visit(path: string, trail: string[], graph: ReadonlyMap<string, Edges>, done: Set<string>): Violation[] {
  if (done.has(path)) return [];
  const found: Violation[] = [];
  trail.push(path);
  for (const [target, line] of graph.get(path) ?? []) {
    if (trail.includes(target)) found.push(circle([...trail.slice(trail.indexOf(target)), target], path, line));
    else found.push(...visit(target, trail, graph, done));
  }
  trail.pop();
  done.add(path);
  return found;
}

function circle(trail: readonly string[], path: string, line: number): Violation {
  return {
    path,
    line,
    rule: 'cycle',
    found: `imports in a circle: ${trail.join(' → ')}`,
    remedy: 'move what both need into a file of its own, or pass it as an argument',
  };
}
