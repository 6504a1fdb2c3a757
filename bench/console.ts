import { buildConsole } from '../scripts/build-console.ts';
import { setScene, signIn } from '../test/console/browser.ts';
import { type Frames, framesDuring, publishEvenly } from '../test/console/frames.ts';
import { launch, openView } from '../test/support/browser.ts';

/** Frames that the live view drew at a sustained rate of events. */
export interface ConsoleReport extends Frames {
  readonly eventsPerSecond: number;
  readonly seconds: number;
  readonly events: number;
}

/** Follows the live view in Chromium while events are published at an even rate. */
export async function benchConsole(options: { seconds: number; perSecond: number }): Promise<ConsoleReport> {
  const { seconds, perSecond } = options;
  buildConsole();
  const [scene, browser] = await Promise.all([setScene(), launch()]);
  try {
    const view = await openView(browser, scene.bank.service.operatorUrl);
    await signIn(view, 'viewer', '/console/live');
    await view.page.getByText('following').waitFor();
    let events = 0;
    const frames = await framesDuring(view.page, async () => {
      events = await publishEvenly(scene.bank, perSecond, seconds);
    });
    return { ...frames, eventsPerSecond: perSecond, seconds, events };
  } finally {
    await browser.close();
    await scene.stop();
  }
}

export function consoleText({ eventsPerSecond, seconds, events, perSecond, p99Ms, longestMs }: ConsoleReport): string {
  return `${events} events, ${eventsPerSecond} a second for ${seconds} s: ${perSecond.toFixed(1)} frames a second, 99 % within ${p99Ms.toFixed(1)} ms, the longest ${longestMs.toFixed(1)} ms\n`;
}
