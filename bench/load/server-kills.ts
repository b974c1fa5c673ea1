import { setTimeout as sleep } from 'node:timers/promises';
import type { DrivenPage } from './browser.ts';
import type { DemoProcess } from './demo-process.ts';
import type { ProbeState } from './page-probe.ts';

/** At these parts of the files uploaded, the server is killed. */
const KILL_AT = [0.3, 0.6];
/** Long enough for every request under way to fail and be retried in vain. */
const DOWN_MS = 1500;

export interface ServerKill {
  readonly uploaded: number;
  /** Assets the page knew to be safe at that moment. */
  readonly acknowledged: readonly string[];
  /** From the kill until the server answered again. */
  readonly downMs: number;
}

export interface ServerKiller {
  readonly kills: readonly ServerKill[];
  /** Kills the server and starts it again, when the next part is reached. */
  check(state: ProbeState): Promise<void>;
  /** Whether every kill that was planned took place. */
  isDone(): boolean;
}

export function createServerKiller(
  demo: DemoProcess,
  page: DrivenPage,
  files: number,
): ServerKiller {
  const kills: ServerKill[] = [];
  return {
    kills,
    async check({ snapshot }) {
      const next = KILL_AT[kills.length];
      if (next === undefined || (snapshot?.uploaded ?? 0) < next * files) return;
      const acknowledged = await page.acknowledged();
      const killedMs = performance.now();
      await demo.kill();
      await sleep(DOWN_MS);
      await demo.restart();
      const downMs = performance.now() - killedMs;
      kills.push({ uploaded: acknowledged.length, acknowledged, downMs });
    },
    isDone: () => kills.length === KILL_AT.length,
  };
}
