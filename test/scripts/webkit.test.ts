import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ExecutablePathError } from '../../scripts/find-executable.mjs';
import { findWebKit, WEBKIT_LEFT_OUT, WEBKIT_PACKAGES } from '../../scripts/webkit.mjs';

describe('findWebKit', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-findwebkit-'));
  });
  afterEach(() => rm(dir, { recursive: true }));

  async function executable(name: string): Promise<string> {
    const file = path.join(dir, name);
    await writeFile(file, '');
    await chmod(file, 0o755);
    return file;
  }

  async function everything() {
    const found = {
      driver: await executable('WebKitWebDriver'),
      xvfb: await executable('Xvfb'),
      python: await executable('python3'),
    };
    return { found, env: { PATH: dir, BULKHEAD_WEBKIT_PYTHON: found.python } };
  }
  const linux = { platform: 'linux', hasBindings: () => true } as const;

  it('takes the driver and the screen on PATH, and a Python that has the bindings', async () => {
    const { found, env } = await everything();
    const asked: string[] = [];
    const hasBindings = (python: string) => asked.push(python) > 0;
    expect(findWebKit({ env, platform: 'linux', hasBindings })).toEqual(found);
    expect(asked).toEqual([found.python]);
  });

  it('prefers executables that are named, and refuses one that cannot be run', async () => {
    const { found, env } = await everything();
    const driver = await executable('my-driver');
    const named = { ...env, BULKHEAD_WEBKIT_DRIVER: driver };
    expect(findWebKit({ ...linux, env: named })).toEqual({ ...found, driver });
    const absent = { ...env, BULKHEAD_XVFB: path.join(dir, 'absent') };
    expect(() => findWebKit({ ...linux, env: absent })).toThrow(ExecutablePathError);
  });

  it('finds nothing where a part is missing', async () => {
    const { found, env } = await everything();
    expect(findWebKit({ ...linux, env, hasBindings: () => false })).toBeUndefined();
    await rm(found.xvfb);
    expect(findWebKit({ ...linux, env })).toBeUndefined();
  });

  it('finds nothing on systems that have no WebKitGTK', async () => {
    const { env } = await everything();
    expect(findWebKit({ ...linux, env, platform: 'darwin' })).toBeUndefined();
    expect(findWebKit({ ...linux, env, platform: 'win32' })).toBeUndefined();
  });
});

it('what is said where there is none names the project and every package', () => {
  expect(WEBKIT_LEFT_OUT).toContain('project webkit');
  for (const name of WEBKIT_PACKAGES) expect(WEBKIT_LEFT_OUT).toContain(name);
});
