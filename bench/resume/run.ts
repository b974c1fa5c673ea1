/**
 * What resuming costs: reading a session back, finding its files again, and the bytes that are sent twice
 * after the browser was killed.
 *
 *   npm run bench:resume
 */
import { cpus } from 'node:os';
import type { Page } from 'playwright';
import { build } from '../../scripts/build.mjs';
import { ResumeSite } from '../../test/e2e/resume-site.ts';
import { Engine } from '../../test/support/engines.ts';
import { addFiles, makeFiles, startHalfDone, watchTasks } from './page.ts';

const ROWS = [1_000, 10_000, 100_000];
const KILLED_ROWS = [1_000, 10_000, 100_000];
const FILE_BYTES = 4_096;
const POLL_MS = 20;

interface Restored {
  readonly rows: number;
  readonly listMs: number;
  readonly resumeMs: number;
  readonly matchMs: number;
  readonly longestTaskMs: number;
}

async function until(page: Page, isThere: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await page.evaluate(isThere))) await new Promise((go) => setTimeout(go, POLL_MS));
}

/** A session of which half is done, its page gone, and another page that goes on. */
async function measureRestoring(site: ResumeSite, rows: number): Promise<Restored> {
  const engine = await Engine.create('chromium');
  try {
    const first = await engine.open(site.url);
    await first.evaluate(startHalfDone, rows);
    await first.evaluate(makeFiles, { rows, sizeBytes: 16 });
    await first.evaluate(addFiles);
    await until(first, () => {
      const { uploaded, total } = window.uploader.getSnapshot();
      return total > 0 && uploaded >= total / 2;
    });
    // What is gathered is written.
    await new Promise((go) => setTimeout(go, 1_500));
    await first.close();

    const page = await engine.open(site.url);
    await page.evaluate(makeFiles, { rows, sizeBytes: 16 });
    await page.evaluate(watchTasks);
    const opened = await page.evaluate(async () => {
      const start = performance.now();
      window.start();
      const [session] = await window.uploader.sessions.refresh();
      const listed = performance.now();
      await window.uploader.sessions.resume(session?.id ?? '');
      const resumed = performance.now();
      // Only what it takes to find the files is measured, not what is done with them.
      window.uploader.pause();
      return { listMs: listed - start, resumeMs: resumed - listed };
    });
    const startMs = await page.evaluate(() => performance.now());
    const { repeated } = await page.evaluate(addFiles);
    if (repeated !== rows) throw new Error(`Only ${repeated} of ${rows} were recognised`);
    const matchMs = (await page.evaluate(() => performance.now())) - startMs;
    const longestTaskMs = await page.evaluate(() => Math.max(0, ...window.longTasks));
    return { rows, ...opened, matchMs, longestTaskMs };
  } finally {
    await engine.close();
  }
}

/** @returns the bytes that were sent twice, after a SIGKILL when half was uploaded */
async function measureResending(rows: number): Promise<number> {
  const site = await ResumeSite.start(0, 0);
  const engine = await Engine.create('chromium');
  try {
    const first = await engine.open(site.url);
    await first.evaluate(() => window.start());
    await first.evaluate(makeFiles, { rows, sizeBytes: FILE_BYTES });
    await first.evaluate(addFiles);
    await until(first, () => {
      const { uploaded, total } = window.uploader.getSnapshot();
      return total > 0 && uploaded >= total / 2;
    });
    await engine.kill();
    const page = await engine.open(site.url);
    await page.evaluate(async () => {
      window.start();
      const [session] = await window.uploader.sessions.refresh();
      await window.uploader.sessions.resume(session?.id ?? '');
    });
    await page.evaluate(makeFiles, { rows, sizeBytes: FILE_BYTES });
    await page.evaluate(addFiles);
    const { searchable, failed } = await page.evaluate(() => window.uploader.done());
    const { requests, assets } = await site.backend.state();
    if (searchable !== rows || failed > 0 || assets.length !== rows) {
      throw new Error(`${assets.length} of ${rows} arrived, ${failed} failed`);
    }
    const puts = requests.filter(({ route }) => route === 'put');
    return puts.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0) - rows * FILE_BYTES;
  } finally {
    await engine.close();
    await site.close();
  }
}

const inMs = (ms: number) => `${Math.round(ms)} ms`;

await build();
const site = await ResumeSite.start(0, 0);
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.versions.node}\n`);
  console.log('| rows, half of them done | list | resume | recognise all again | longest task |');
  console.log('|---|---|---|---|---|');
  for (const rows of ROWS) {
    const { listMs, resumeMs, matchMs, longestTaskMs } = await measureRestoring(site, rows);
    const cells = [listMs, resumeMs, matchMs].map(inMs);
    const longest = longestTaskMs === 0 ? 'under 50 ms' : inMs(longestTaskMs);
    console.log(`| ${rows.toLocaleString('en')} | ${cells.join(' | ')} | ${longest} |`);
  }
  console.log('\n| files of 4 KB, SIGKILL at half | sent twice |');
  console.log('|---|---|');
  for (const rows of KILLED_ROWS) {
    const bytes = await measureResending(rows);
    const files = (bytes / FILE_BYTES).toFixed(1);
    console.log(`| ${rows.toLocaleString('en')} | ${bytes} bytes (${files} files) |`);
  }
} finally {
  await site.close();
}
