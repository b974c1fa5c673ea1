import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findChromium } from '../../scripts/chromium.mjs';
import { ExecutablePathError } from '../../scripts/find-executable.mjs';

describe('findChromium', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-chromium-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  async function executable(...parts: string[]): Promise<string> {
    const file = path.join(dir, ...parts);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, '');
    await chmod(file, 0o755);
    return file;
  }

  it('prefers the one BULKHEAD_CHROMIUM names to one on PATH', async () => {
    const named = await executable('my', 'browser');
    const onPath = await executable('bin', 'chromium');
    const env = { PATH: path.dirname(onPath), HOME: dir };
    expect(findChromium({ env: { ...env, BULKHEAD_CHROMIUM: named }, platform: 'linux' })).toBe(
      named,
    );
    expect(findChromium({ env, platform: 'linux' })).toBe(onPath);
  });

  it('refuses a BULKHEAD_CHROMIUM that cannot be run rather than taking another', async () => {
    const onPath = await executable('bin', 'chromium');
    const env = { PATH: path.dirname(onPath), BULKHEAD_CHROMIUM: path.join(dir, 'absent') };
    expect(() => findChromium({ env, platform: 'linux' })).toThrow(ExecutablePathError);
  });

  it('passes over files that are not executable', async () => {
    const plain = await executable('first', 'chromium');
    await chmod(plain, 0o644);
    const good = await executable('second', 'google-chrome');
    const env = { PATH: [path.dirname(plain), path.dirname(good)].join(path.delimiter), HOME: dir };
    expect(findChromium({ env, platform: 'linux' })).toBe(good);
  });

  it('takes the newest that Playwright downloaded when nothing else is there', async () => {
    await executable('.cache', 'ms-playwright', 'chromium-999', 'chrome-linux', 'chrome');
    const newest = await executable(
      '.cache',
      'ms-playwright',
      'chromium-1200',
      'chrome-linux64',
      'chrome',
    );
    expect(findChromium({ env: { PATH: '', HOME: dir }, platform: 'linux' })).toBe(newest);
  });

  it('finds nothing on a machine without one', () => {
    expect(findChromium({ env: { PATH: dir, HOME: dir }, platform: 'linux' })).toBeUndefined();
  });
});
