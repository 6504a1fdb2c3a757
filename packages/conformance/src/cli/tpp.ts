import type { Command } from 'commander';
import { readConfigFile } from '../config-file.ts';
import { TPP_CHECKS } from '../tpp/checks.ts';
import { readTppConfig } from '../tpp/config.ts';
import { openTppSession } from '../tpp/session.ts';
import { askAtTerminal } from './ask.ts';
import type { CommandEffects } from './effects.ts';
import { addRunFlags, type RunFlags, runSide } from './run-side.ts';

interface TppFlags extends RunFlags {
  readonly wait?: boolean;
}

/** `tidings-conformance tpp`: tests the callback URL of a TPP. */
export function defineTpp(command: Command, { output, signal, end }: CommandEffects): void {
  addRunFlags(command)
    .description('Test the callback URL of a TPP.')
    .option('--wait', 'show the JWKS URL, and begin when Enter is pressed')
    .addHelpText(
      'after',
      `
Examples:
  tidings-conformance tpp --config tpp.json
  tidings-conformance tpp --config tpp.json --wait
  tidings-conformance tpp --config tpp.json --only TPP-ACK-01,Signature
  tidings-conformance tpp --config tpp.json --report-html report.html --report-junit report.xml

The runner signs as the bank: with a key that the TPP knows already, or with a new one whose JWKS it serves itself. The
configuration names the callback URL, and the issuer, organisation and client id that the TPP expects. docs/guides/conformance.md
describes each setting. The run sends about 150 good notifications, of revoked consents among others, about resources that do
not exist, and about 250 bad requests: test an environment where they do no harm.

Exit codes: 0 every check that counts passed or was skipped; 1 a check failed or could not be carried out; 2 wrong use or
configuration.`,
    )
    .action(async (flags: TppFlags) => {
      const config = readTppConfig(readConfigFile(flags.config));
      const session = await openTppSession(config);
      try {
        const { jwksUrl, contextOf, timeLimitMs } = session;
        if (jwksUrl !== undefined) output.print(`JWKS of the bank: ${jwksUrl}\n`);
        if (flags.wait === true) await askAtTerminal(output)('Tell the TPP where the JWKS is, and start it.', signal);
        const target = { name: config.name, url: config.callbackUrl };
        end(
          await runSide({ side: 'tpp', target, checks: TPP_CHECKS, contextOf, timeLimitMs }, flags, { output, signal }),
        );
      } finally {
        await session.close();
      }
    });
}
