import { Argument, type Command } from 'commander';
import { print } from '../base/output.ts';

const SHELLS = ['bash', 'zsh', 'fish'];

/** `tidings completion`: what makes a shell complete commands and flags. @param loadAll gives the program, with all of them */
export function define(command: Command, loadAll: () => Promise<Command>): void {
  command
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      `
Examples:
  tidings completion bash > ~/.local/share/bash-completion/completions/tidings
  tidings completion zsh > ~/.zfunc/_tidings
  tidings completion fish > ~/.config/fish/completions/tidings.fish

For bash, the package bash-completion reads that folder; without it, put this into ~/.bashrc:
  source <(tidings completion bash)
For zsh, put this into ~/.zshrc before compinit:
  fpath=(~/.zfunc $fpath)
Print it again after an upgrade: the script knows the commands of the version that printed it.

Exit codes: 0 done; 2 wrong use.`,
    )
    .action(async (shell: string) => {
      const { completionScript } = await import('./completion/scripts.ts');
      print(completionScript(shell, await loadAll()));
    });
}
