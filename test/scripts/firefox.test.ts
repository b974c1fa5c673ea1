import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExecutablePathError } from '../../scripts/find-executable.mjs';
import { findFirefox } from '../../scripts/firefox.mjs';

describe('findFirefox', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-firefox-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  async function executable(folder: string, name: string): Promise<string> {
    const file = path.join(dir, folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, '');
    await chmod(file, 0o755);
    return file;
  }

  it('takes the one BULKHEAD_FIREFOX names, then the ESR, then any other on PATH', async () => {
    const named = await executable('my', 'browser');
    const plain = await executable('first', 'firefox');
    const PATH = [path.dirname(plain), path.join(dir, 'second')].join(path.delimiter);
    expect(findFirefox({ env: { PATH }, platform: 'linux' })).toBe(plain);
    const esr = await executable('second', 'firefox-esr');
    expect(findFirefox({ env: { PATH }, platform: 'linux' })).toBe(esr);
    const env = { PATH, BULKHEAD_FIREFOX: named };
    expect(findFirefox({ env, platform: 'linux' })).toBe(named);
  });

  it('refuses a BULKHEAD_FIREFOX that cannot be run rather than taking another', async () => {
    const PATH = path.dirname(await executable('bin', 'firefox-esr'));
    const env = { PATH, BULKHEAD_FIREFOX: path.join(dir, 'absent') };
    expect(() => findFirefox({ env, platform: 'linux' })).toThrow(ExecutablePathError);
  });

  it('finds nothing on a machine without one', () => {
    expect(findFirefox({ env: { PATH: dir }, platform: 'linux' })).toBeUndefined();
  });
});
