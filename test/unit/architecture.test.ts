import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TABLED_EVENTS, transitionTable } from '../support/transition-table.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => join(folder, path).split(sep).join('/'));
}

function imports(path: string): string[] {
  const specifiers = read(path).matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g);
  return Array.from(specifiers, ([, specifier = '']) =>
    specifier.startsWith('.')
      ? relative(root, resolve(root, dirname(path), specifier))
          .split(sep)
          .join('/')
      : specifier,
  );
}

const LEAVES = ['src/errors/', 'src/runtime/', 'src/protocol/'];
const REACH: Record<string, string[]> = {
  'src/errors/': LEAVES,
  'src/runtime/': LEAVES,
  'src/protocol/': LEAVES,
  'src/retry/': [...LEAVES, 'src/retry/'],
  'src/hashing/': [...LEAVES, 'src/hashing/'],
  'src/storage/': [...LEAVES, 'src/storage/'],
  'src/transports/': [...LEAVES, 'src/transports/'],
  'src/testing/': [...LEAVES, 'src/testing/', 'src/transports/adapter.ts'],
  'src/react/': [
    ...LEAVES,
    'src/react/',
    'src/create-uploader.ts',
    'src/core/types.ts',
    'src/core/upload-state.ts',
    'src/core/uploader.ts',
  ],
  'src/element/': [
    ...LEAVES,
    'src/element/',
    'src/core/',
    'src/create-uploader.ts',
    'src/transports/bulkhead-adapter.ts',
  ],
  'src/core/': [
    ...LEAVES,
    'src/core/',
    'src/retry/',
    'src/hashing/hasher.ts',
    'src/hashing/patiently.ts',
    'src/hashing/read-bytes.ts',
    'src/hashing/read-error.ts',
    'src/storage/journal.ts',
    'src/storage/session-channel.ts',
    'src/storage/session-locks.ts',
    'src/storage/upload-storage.ts',
    'src/transports/adapter.ts',
  ],
};

/** The one file that may name each of the SDK's dependencies. zod belongs to every boundary. */
const OWNERS: Record<string, string> = {
  'p-queue': 'src/core/lane.ts',
  tinyqueue: 'src/core/row-queue.ts',
  ky: 'src/transports/api-client.ts',
  'hash-wasm': 'src/hashing/sha256-wasm.ts',
  '@noble/hashes': 'src/hashing/sha256-js.ts',
  idb: 'src/storage/indexed-db-database.ts',
};

describe('ARCHITECTURE.md', () => {
  const drawn = read('ARCHITECTURE.md')
    .split('<!-- transitions:begin -->')[1]
    ?.split('<!-- transitions:end -->')[0]
    ?.trim();

  it('draws exactly the transitions of the code', () => expect(drawn).toBe(transitionTable()));

  it('draws every event of the code', () => {
    const source =
      read('src/core/upload-transition.ts').split('export function transition')[1] ?? '';
    const handled = Array.from(source.matchAll(/case '([a-z-]+)'/g), ([, type]) => type);
    expect(new Set(handled)).toEqual(TABLED_EVENTS);
  });
});

describe('the layers', () => {
  it.each(Object.entries(REACH))('%s imports no further than it may', (folder, reach) => {
    for (const path of sources(folder)) {
      for (const target of imports(path).filter((specifier) => specifier.startsWith('src/'))) {
        expect(
          reach.some((prefix) => target.startsWith(prefix)),
          `${path} → ${target}`,
        ).toBe(true);
      }
    }
  });

  it('name each dependency in one file', () => {
    for (const path of sources('src')) {
      for (const specifier of imports(path)) {
        const owner = OWNERS[specifier];
        if (owner !== undefined) expect(path).toBe(owner);
      }
    }
  });

  it('let the element make an uploader in one file only', () => {
    for (const path of sources('src/element')) {
      const makers = imports(path).filter((target) =>
        ['src/create-uploader.ts', 'src/transports/bulkhead-adapter.ts'].includes(target),
      );
      if (path !== 'src/element/own-uploader.ts') expect(makers, path).toEqual([]);
    }
  });

  it('let nothing import React but its own folder, which nothing imports', () => {
    for (const path of sources('src').filter((source) => !source.startsWith('src/react/'))) {
      const targets = imports(path).filter(
        (target) => target.startsWith('src/react/') || /^react(\/|-dom|$)/.test(target),
      );
      expect(targets, path).toEqual([]);
    }
  });

  it('let nothing that ships to pages import what is for tests', () => {
    for (const path of sources('src').filter((source) => !source.startsWith('src/testing/'))) {
      const forTests = imports(path).filter((target) => target.startsWith('src/testing/'));
      expect(forTests, path).toEqual([]);
    }
  });

  it('let the server import nothing of the SDK but its protocol', () => {
    for (const path of sources('server/src')) {
      for (const specifier of imports(path)) {
        if (specifier.startsWith('bulkhead')) expect(specifier, path).toBe('bulkhead/protocol');
        expect(specifier.startsWith('src/'), `${path} → ${specifier}`).toBe(false);
      }
    }
  });
});
