import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import sharp from 'sharp';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  createDecoderPool,
  DecoderClosedError,
  type DecoderPoolOptions,
} from '../src/images/decoder-pool.ts';
import type { ImageDecoder } from '../src/images/image-decoder.ts';
import { photo, SVG } from './fixtures/images.ts';
import { POISON_DECODER, poisoned } from './fixtures/poison-images.ts';

// Processes are started, and images decoded in them.
vi.setConfig({ testTimeout: 30_000 });

const open: ImageDecoder[] = [];
const processes = new Set<ChildProcess>();
afterEach(async () => {
  for (const decoder of open.splice(0)) await decoder.close();
  for (const child of processes) child.kill('SIGKILL');
});

function pool(options: Partial<DecoderPoolOptions> = {}): ImageDecoder {
  const decoder = createDecoderPool({ size: 1, script: POISON_DECODER, ...options });
  open.push(decoder);
  return decoder;
}

const never = new AbortController().signal;
const jpeg = (seed: number) => photo(seed, 160, 120).jpeg().toBuffer();

/** Ids of the decoders that run for a process, by the kernel's own list. */
async function decodersOf(parent: number): Promise<number[]> {
  const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found: number[] = [];
  for (const id of ids) {
    const stat = await readFile(`/proc/${id}/stat`, 'latin1').catch(() => '');
    const command = await readFile(`/proc/${id}/cmdline`, 'latin1').catch(() => '');
    const [state, ppid] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state !== 'Z' && Number(ppid) === parent && command.includes('decoder')) {
      found.push(Number(id));
    }
  }
  return found;
}

describe('the decoder pool', () => {
  it('renders as the pipeline does, in a process of its own that the kernel ends first', async () => {
    const decoder = pool();
    expect(await decodersOf(process.pid)).toEqual([]);
    const rendered = await decoder.render(await jpeg(1), never);
    expect(rendered).toMatchObject({ width: 160, height: 120, mimeType: 'image/jpeg' });
    expect((await sharp(rendered.main.bytes).metadata()).format).toBe('jpeg');
    expect((await sharp(rendered.thumbnail.bytes).metadata()).format).toBe('webp');
    const [child] = await decodersOf(process.pid);
    expect(await readFile(`/proc/${child}/oom_score_adj`, 'utf8')).toBe('1000\n');
    await decoder.close();
    expect(await decodersOf(process.pid)).toEqual([]);
  });

  it('answers what is wrong with an image as the pipeline does', async () => {
    const decoder = pool();
    await expect(decoder.render(SVG, never)).rejects.toMatchObject({ code: 'svg_refused' });
    const half = (await jpeg(1)).subarray(0, 1500);
    await expect(decoder.render(half, never)).rejects.toMatchObject({ code: 'undecodable' });
  });

  it('loses one image to a crash, and only that one', async () => {
    const decoder = pool({ size: 2 });
    const images = await Promise.all(Array.from({ length: 8 }, (_, i) => jpeg(i + 1)));
    const results = await Promise.allSettled(
      [images[0], poisoned(await jpeg(9), 'crash'), ...images.slice(1)].map((bytes) =>
        decoder.render(bytes as Uint8Array, never),
      ),
    );
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(8);
    expect(results[1]).toMatchObject({
      status: 'rejected',
      reason: { code: 'decoder_crashed', message: expect.stringContaining('SIGABRT') },
    });
  });

  it('kills a child that takes too long, though its event loop is blocked', async () => {
    const decoder = pool({ timeoutMs: 1500 });
    const startedAt = performance.now();
    await expect(decoder.render(poisoned(await jpeg(1), 'hang'), never)).rejects.toMatchObject({
      code: 'decoder_crashed',
      message: 'Decoding the image takes longer than 1.5 s',
    });
    expect(performance.now() - startedAt).toBeLessThan(5000);
    expect(await decoder.render(await jpeg(2), never)).toMatchObject({ width: 160 });
  });

  it('kills a child that takes too much memory', async () => {
    const decoder = pool({ maxRssBytes: 300e6 });
    await expect(decoder.render(poisoned(await jpeg(1), 'swell'), never)).rejects.toMatchObject({
      code: 'decoder_crashed',
      message: 'Decoding the image takes more than 286 MB of memory',
    });
    expect(await decoder.render(await jpeg(2), never)).toMatchObject({ width: 160 });
  });

  it('frees the processor at once when the image is no longer wanted', async () => {
    const decoder = pool();
    const controller = new AbortController();
    const rendering = decoder.render(poisoned(await jpeg(1), 'hang'), controller.signal);
    controller.abort(new Error('lease lost'));
    await expect(rendering).rejects.toThrow('lease lost');
    expect(await decoder.render(await jpeg(2), never)).toMatchObject({ width: 160 });
  });

  it('ends children that have nothing to do, and starts others when there is', async () => {
    const decoder = pool({ idleMs: 50 });
    await decoder.render(await jpeg(1), never);
    await vi.waitFor(async () => expect(await decodersOf(process.pid)).toEqual([]), 25_000);
    expect(await decoder.render(await jpeg(2), never)).toMatchObject({ width: 160 });
  });

  it('takes a decoder that cannot start for the server’s trouble, not for the image’s', async () => {
    const decoder = pool({ script: new URL('file:///nowhere/decoder.js') });
    await expect(decoder.render(await jpeg(1), never)).rejects.toMatchObject({
      code: 'processing_failed',
      message: expect.stringContaining('did not start'),
    });
  });

  it('takes no image once it is closed', async () => {
    const decoder = pool();
    await decoder.close();
    await expect(decoder.render(await jpeg(1), never)).rejects.toBeInstanceOf(DecoderClosedError);
  });

  it('leaves no child behind when its process is killed', async () => {
    const script = join(import.meta.dirname, 'fixtures/decoding-process.ts');
    const parent = spawn(process.execPath, ['--conditions=bulkhead-source', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    processes.add(parent);
    const lines = createInterface(parent.stdout);
    await once(lines, 'line');
    const children = await decodersOf(parent.pid ?? 0);
    expect(children).toHaveLength(1);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    processes.delete(parent);
    const [child] = children;
    await vi.waitFor(
      async () => {
        const stat = await readFile(`/proc/${child}/stat`, 'latin1').catch(() => '');
        // Gone, or dead and not yet collected by whoever inherits it.
        expect(stat === '' || / Z /.test(stat)).toBe(true);
      },
      { timeout: 10_000 },
    );
  });
});
