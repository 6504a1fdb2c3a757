/**
 * The fenced blocks of a page, by their info string:
 *
 * | block | means |
 * |---|---|
 * | `sh` | commands for the shell, which must all succeed |
 * | `sh fails` | commands of which one fails |
 * | `sh again` | commands that are repeated until they print the block after them |
 * | `sh NAME` | commands for a terminal of its own, of which the last goes on; Ctrl-C ends what went on there before |
 * | `text` | the output of the `sh` block before it |
 * | `text NAME` | output that comes in that terminal |
 * | `LANGUAGE FILE.EXTENSION` | a file to save in the current folder |
 */

/** A fenced block of a tutorial. */
export interface Block {
  readonly line: number;
  readonly language: string;
  /** Second word of the info string; empty where there is none. */
  readonly word: string;
  readonly text: string;
}

/** The fenced blocks of a page, in their order. */
export function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+) ?(\S*)\n(.*?)^```$/gms)].map(
    ({ index, 1: language = '', 2: word = '', 3: text = '' }) => ({
      line: markdown.slice(0, index).split('\n').length,
      ...{ language, word, text },
    }),
  );
}

const IN_THE_SHELL = ['', 'fails', 'again'];

/** Why these blocks cannot be carried out, a line each, without trying. */
export function faultsIn(blocks: readonly Block[]): string[] {
  if (blocks.length === 0) return ['there is no block'];
  const terminals = new Set<string>();
  let isTyped = false;
  return blocks.flatMap((block, at) => {
    const { language, word, line } = block;
    const fault = (what: string) => [`line ${line}: ${what}`];
    if (language === 'sh') {
      if (IN_THE_SHELL.includes(word)) isTyped = true;
      else terminals.add(word);
      const next = blocks[at + 1];
      const isShown = next?.language === 'text' && next.word === '';
      return word === 'again' && !isShown ? fault('nothing says what it is repeated for') : [];
    }
    if (language !== 'text') return /^[\w-]+\.\w+$/.test(word) ? [] : fault(`a block of ${language} names no file`);
    if (word === '') return isTyped ? [] : fault('no command was typed');
    return terminals.has(word) ? [] : fault(`no terminal ${word} was opened`);
  });
}
