import { setTimeout as sleep } from 'node:timers/promises';
import type { DrivenPage } from './browser.ts';
import type { DemoProcess } from './demo-process.ts';
import type { Scenario } from './options.ts';
import type { ProbeState } from './page-probe.ts';

/** Long enough for every request under way to fail and be retried in vain. */
const DOWN_MS = 1500;
/** Longer than a person needs to find the router. */
const OFFLINE_MS = 6000;

/** What went wrong on purpose, and when. */
export interface Incident {
  readonly what: string;
  /** Files that the page knew to be safe at that moment. */
  readonly uploaded?: number;
  /** How long the run had lasted, where that decided. */
  readonly atMs?: number;
  /** Their assets. */
  readonly acknowledged: readonly string[];
  /** How long it lasted. */
  readonly lastedMs: number;
}

/** Lets something go wrong when so many files are uploaded. */
export interface Disturbance {
  readonly incidents: readonly Incident[];
  check(state: ProbeState): Promise<void>;
  /** Whether everything that was planned took place. */
  isDone(): boolean;
}

interface Plan {
  readonly what: string;
  /** Parts of the files that are uploaded. */
  readonly at: readonly number[];
  readonly happen: () => Promise<void>;
}

/** @returns undefined for a scenario in which nothing is disturbed while it runs */
export function createDisturbance(
  scenario: Scenario,
  demo: DemoProcess,
  page: DrivenPage,
  files: number,
  folder: string,
): Disturbance | undefined {
  const plan = planOf(scenario, demo, page, folder);
  if (!plan) return undefined;
  const incidents: Incident[] = [];
  return {
    incidents,
    async check({ snapshot }) {
      const next = plan.at[incidents.length];
      if (next === undefined || (snapshot?.uploaded ?? 0) < next * files) return;
      const acknowledged = await page.acknowledged();
      const startedMs = performance.now();
      await plan.happen();
      const lastedMs = performance.now() - startedMs;
      const uploaded = snapshot?.uploaded ?? 0;
      incidents.push({ what: plan.what, uploaded, acknowledged, lastedMs });
    },
    isDone: () => incidents.length === plan.at.length,
  };
}

function planOf(
  scenario: Scenario,
  demo: DemoProcess,
  page: DrivenPage,
  folder: string,
): Plan | undefined {
  switch (scenario) {
    case 'server-kill':
      return {
        what: 'the server was killed',
        at: [0.3, 0.6],
        async happen() {
          await demo.kill();
          await sleep(DOWN_MS);
          await demo.restart();
        },
      };
    case 'offline':
      return {
        what: 'the network was gone',
        at: [0.1, 0.4, 0.7],
        async happen() {
          await page.setOffline(true);
          await sleep(OFFLINE_MS);
          await page.setOffline(false);
        },
      };
    case 'crash':
      return {
        what: 'the browser was killed',
        at: [0.4],
        async happen() {
          await page.reopen('killed');
          await page.resume();
          await page.addFolder(folder);
        },
      };
    default:
      return undefined;
  }
}
