/** A test, identified by its file and its name, or a part of the name that is unique in the file. */
export interface NamedTest {
  readonly file: string;
  /** Computed parts of a name are written as `…`. The name of a `describe` stands for all its tests. */
  readonly name: string;
}

/** One rule of the standard, in the words of this project, with the tests that verify it. */
export interface Rule {
  /** Section, dot and unique name. */
  readonly id: string;
  readonly rule: string;
  readonly tests: readonly NamedTest[];
}

/** Creates a rule from pairs of file and test name. */
export function rule(id: string, text: string, ...tests: readonly (readonly [file: string, name: string])[]): Rule {
  return { id, rule: text, tests: tests.map(([file, name]) => ({ file, name })) };
}
