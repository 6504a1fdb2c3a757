/** A test by its file, and its name or a part of the name that no other test in the file has. */
export interface NamedTest {
  readonly file: string;
  /** What a name computes stands in it as `…`. Of a `describe`, all tests in it are meant. */
  readonly name: string;
}

/** One claim of the rules of the standard, in our words, and the tests that show it. */
export interface Rule {
  /** The section, a dot, and a name of its own. */
  readonly id: string;
  readonly rule: string;
  readonly tests: readonly NamedTest[];
}

/** Writes a rule in fewer words: each test is a pair of file and name. */
export function rule(id: string, text: string, ...tests: readonly (readonly [file: string, name: string])[]): Rule {
  return { id, rule: text, tests: tests.map(([file, name]) => ({ file, name })) };
}
