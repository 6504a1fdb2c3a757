import type { Command } from 'commander';
import { newestVersion } from '../aspsp/bank-client.ts';
import { ASPSP_CHECKS } from '../aspsp/checks.ts';
import { readAspspConfig } from '../aspsp/config.ts';
import { openAspspSession } from '../aspsp/context.ts';
import { systemClock } from '../clock.ts';
import { readConfigFile } from '../config-file.ts';
import { askAtTerminal } from './ask.ts';
import type { CommandEffects } from './effects.ts';
import { addRunFlags, type RunFlags, runSide } from './run-side.ts';

/** A person needs longer than a machine. */
const ASKING_TIME_LIMIT_MS = 1_800_000;

/** `tidings-conformance aspsp`: tests the event endpoints of a bank. */
export function defineAspsp(command: Command, { output, signal, end }: CommandEffects): void {
  addRunFlags(command)
    .description('Test the event endpoints of a bank.')
    .addHelpText(
      'after',
      `
Examples:
  tidings-conformance aspsp --config bank.json
  tidings-conformance aspsp --config bank.json --only POLL-04,"Real time delivery"
  tidings-conformance aspsp --config bank.json --report-html report.html --report-junit report.xml
  tidings-conformance aspsp --config bank.json --fail-on should

The configuration names the bank, two clients of it with their certificates and keys, the receiver that the runner opens for
deliveries, and the way in which an event is made to happen. docs/guides/conformance.md describes each setting. The run creates,
changes and deletes the registrations of the two clients: use clients that nothing else uses.

Exit codes: 0 every check that counts passed or was skipped; 1 a check failed or could not be carried out; 2 wrong use or
configuration.`,
    )
    .action(async (flags: RunFlags) => {
      const config = readAspspConfig(readConfigFile(flags.config));
      const session = await openAspspSession(config, systemClock, askAtTerminal(output));
      try {
        const url = config.bank.apiUrls[newestVersion(config)] ?? '';
        const isAsking = config.events?.make.kind === 'ask';
        const tested = {
          ...({ side: 'aspsp', target: { name: config.name, url }, checks: ASPSP_CHECKS } as const),
          contextOf: session.contextOf,
          ...(isAsking && { timeLimitMs: ASKING_TIME_LIMIT_MS }),
        };
        end(await runSide(tested, flags, { output, signal }));
      } finally {
        await session.close();
      }
    });
}
