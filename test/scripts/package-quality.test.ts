import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { build as bundle } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type PackedPackage,
  type PackedPackages,
  packPackages,
} from '../support/packed-packages.ts';

let packed: PackedPackages;
beforeAll(async () => {
  packed = await packPackages();
}, 120_000);
afterAll(() => packed?.remove());

function packageOf(name: string): PackedPackage {
  const found = packed.packages.find((one) => one.name === name);
  if (!found) throw new Error(`${name} was not packed`);
  return found;
}

const manifestOf = async ({ folder }: PackedPackage) =>
  JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));

describe.each(['bulkhead', '@bulkhead/server'])('the package %s', { timeout: 60_000 }, (name) => {
  it('has nothing to blame for publint, suggestions included', async () => {
    const { tarball } = packageOf(name);
    const bytes = await readFile(tarball);
    const { messages, pkg } = await publint({
      strict: true,
      level: 'suggestion',
      pack: { tarball: new Uint8Array(bytes).buffer },
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  it('has right types for every entry and module system that it has', async () => {
    const data = createPackageFromTarballData(
      new Uint8Array(await readFile(packageOf(name).tarball)),
    );
    const result = await checkPackage(data);
    if (!result.types) throw new Error('There are no types');
    const problems = result.problems.filter((problem) => {
      // `moduleResolution: node10` knows no exports map; TypeScript calls it deprecated.
      if ('resolutionKind' in problem && problem.resolutionKind === 'node10') return false;
      // The server kit is of ES modules alone: Node 22 and newer can require them.
      // So is the element, because Lit is.
      const isElement = 'entrypoint' in problem && problem.entrypoint === './element';
      const isModule = name === '@bulkhead/server' || isElement;
      return !(isModule && problem.kind === 'CJSResolvesToESM');
    });
    expect(problems).toEqual([]);
  });

  it('has what it lists and no more', () => {
    const folders = new Set(packageOf(name).files.map((file) => file.split('/')[0]));
    for (const file of ['dist', 'src', 'package.json', 'LICENSE', 'README.md']) {
      expect(folders, file).toContain(file);
    }
    const allowed = [
      'dist',
      'src',
      'package.json',
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
      'grafana',
    ];
    expect([...folders].filter((folder) => !allowed.includes(folder ?? ''))).toEqual([]);
    const strays = packageOf(name).files.filter((file) =>
      /metafile|\.tsbuildinfo|\.test\.|\.env/.test(file),
    );
    expect(strays).toEqual([]);
  });

  it('is public, under the licence that it brings along', async () => {
    const { license, publishConfig } = await manifestOf(packageOf(name));
    expect(license).toBe('MIT');
    expect(publishConfig).toEqual({ access: 'public' });
  });
});

describe('bulkhead', () => {
  const ENTRIES = ['.', './protocol', './react', './testing/client'];

  it.each(ENTRIES)(
    'an app that imports %s and uses nothing of it bundles nothing of it',
    async (entry) => {
      const specifier = path.posix.join('bulkhead', entry);
      const { outputFiles } = await bundle({
        stdin: { contents: `import * as unused from '${specifier}';`, resolveDir: packed.app },
        bundle: true,
        format: 'esm',
        platform: 'browser',
        minify: true,
        treeShaking: true,
        write: false,
        external: ['react'],
      });
      // What is imported from outside for its own effects is all that may be left.
      const text = outputFiles[0]?.text.replaceAll(/import"react";/g, '').trim();
      expect(text).toBe('');
    },
  );

  it('marks the React entry for frameworks with server components', async () => {
    const text = await readFile(
      path.join(packed.app, 'node_modules/bulkhead/dist/react/index.js'),
      'utf8',
    );
    expect(text.startsWith('"use client";')).toBe(true);
  });

  it('names the licence of everything that is bundled into its whole scripts', async () => {
    const folder = path.join(packed.app, 'node_modules/bulkhead');
    const licences = await readFile(path.join(folder, 'dist/THIRD_PARTY_LICENSES.txt'), 'utf8');
    const { dependencies } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    // Of `lit` there is only what it passes on.
    const { lit: _lit, ...bundled } = dependencies;
    for (const [name, version] of Object.entries(bundled)) {
      expect(licences).toContain(`\n${name} ${version} (`);
    }
    expect(licences.match(/Permission (is hereby granted|to use)/g)?.length).toBeGreaterThanOrEqual(
      Object.keys(bundled).length,
    );
  });

  it('has the hashes of the scripts that it has', async () => {
    const folder = path.join(packed.app, 'node_modules/bulkhead/dist');
    const hashes: Record<string, string> = JSON.parse(
      await readFile(path.join(folder, 'sri.json'), 'utf8'),
    );
    expect(Object.keys(hashes)).toEqual([
      'bulkhead.global.js',
      'bulkhead-element.global.js',
      'hash-worker.js',
    ]);
    for (const [name, hash] of Object.entries(hashes)) {
      const digest = await crypto.subtle.digest('SHA-384', await readFile(path.join(folder, name)));
      expect(hash).toBe(`sha384-${Buffer.from(digest).toString('base64')}`);
    }
  });
});
