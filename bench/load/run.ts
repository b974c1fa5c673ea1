/**
 * The main job under load: real files through the demo page in a real browser, to a server of its
 * own, compared byte for byte. `npm run load -- --help` lists the options.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { BuildError, build } from '../../scripts/build.mjs';
import { DiskSpaceError, openImageSet } from './image-set.ts';
import { LoadOptionError, type LoadOptions, parseLoadOptions, USAGE } from './options.ts';
import { createStatusLine } from './status-line.ts';

const CACHE_DIR = path.resolve(import.meta.dirname, '../../node_modules/.cache/bulkhead-load');

class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** @returns the exit code */
async function main(): Promise<number> {
  const options = parseLoadOptions(process.argv.slice(2));
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const interrupt = new AbortController();
  for (const event of ['SIGINT', 'SIGTERM'] as const) {
    process.on(event, () => interrupt.abort(new InterruptedError('Interrupted')));
  }
  await build();
  const images = await makeImages(options);

  // Only now: they import what was just built.
  const [{ runLoad }, { formatReport }] = await Promise.all([
    import('./load-run.ts'),
    import('./report.ts'),
  ]);
  const report = await runLoad(options, images, interrupt.signal);
  console.log(`\n${formatReport(report)}`);
  if (options.out !== undefined) {
    await writeFile(options.out, `${JSON.stringify(report, null, 2)}\n`);
    console.log(`Report: ${options.out}`);
  }
  return report.isSuccess ? 0 : 1;
}

async function makeImages({ files, size, seed }: LoadOptions) {
  const line = createStatusLine();
  const startedMs = performance.now();
  const images = await openImageSet({
    files,
    size,
    seed,
    cacheDir: CACHE_DIR,
    onProgress: (made) => line.show(`Making images: ${made}/${files}`),
  });
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  line.end(
    images.isCached
      ? `${files} images of an earlier run: ${images.dir}`
      : `${files} images made in ${seconds} s: ${images.dir}`,
  );
  return images;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected =
    error instanceof BuildError ||
    error instanceof DiskSpaceError ||
    error instanceof InterruptedError;
  if (error instanceof LoadOptionError) console.error(`${error.message}\n\n${USAGE}`);
  else console.error(isExpected ? error.message : error);
  process.exitCode = 1;
}
