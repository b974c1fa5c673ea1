import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PackedPackages, packPackages } from '../support/packed-packages.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a user of the published packages gets: the tarballs that npm packs, in node_modules. */
/** The element is an ES module, which `node16` lets no CommonJS require. */
const ELEMENT = `import { type BulkheadUploader, englishStrings } from 'bulkhead/element';
  export const retry: string = englishStrings().retry;
  document.querySelector('bulkhead-uploader')?.addEventListener('bulkhead-added', (event) => {
    const added: number = event.detail.added;
    const element: BulkheadUploader | null = document.querySelector('bulkhead-uploader');
    console.log(added, element?.uploader?.getSnapshot().total);
  });`;

describe('the built packages', { timeout: 60_000 }, () => {
  let packed: PackedPackages;
  let consumer: string;

  beforeAll(async () => {
    packed = await packPackages();
    consumer = packed.app;
  }, 120_000);
  afterAll(() => packed?.remove());

  async function run(command: string, args: string[]): Promise<{ code: number; output: string }> {
    const child = spawn(command, args, { cwd: consumer });
    let output = '';
    child.stdout.on('data', (chunk) => (output += chunk));
    child.stderr.on('data', (chunk) => (output += chunk));
    const code = await new Promise<number>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve(status ?? 1));
    });
    return { code, output };
  }

  it.each([
    ...[
      'bulkhead',
      'bulkhead/protocol',
      'bulkhead/react',
      'bulkhead/element',
      'bulkhead/testing',
      'bulkhead/testing/client',
    ],
    ...[
      'bulkhead/s3',
      'bulkhead/vercel-blob',
      'bulkhead/tus',
      'bulkhead/form-post',
      'bulkhead/rollout',
    ],
  ])('%s gives import and require the same names', async (entry) => {
    const names = (load: string) =>
      `console.log(Object.keys(${load}).filter((name) => !['default', 'module.exports'].includes(name)).sort().join())`;
    await writeFile(path.join(consumer, 'names.mjs'), names(`await import('${entry}')`));
    await writeFile(path.join(consumer, 'names.cjs'), names(`require('${entry}')`));
    const [esm, cjs] = await Promise.all([
      run(process.execPath, ['names.mjs']),
      run(process.execPath, ['names.cjs']),
    ]);
    expect(esm).toEqual({ code: 0, output: expect.stringMatching(/\w+/) });
    expect(cjs).toEqual(esm);
  });

  it('what sends large files to S3 is loaded from the build, in both module systems', async () => {
    const script = (load: string) => `
      (async () => {
        const { s3PresignedAdapter } = ${load};
        const body = new Blob([new Uint8Array(17 * 1024 * 1024)]);
        const none = async () => {};
        const adapter = s3PresignedAdapter({
          sign: async () => [{ url: 'http://store.test/a', key: 'a' }],
          createMultipart: async (file, key) => { throw new Error('opened ' + key); },
          signParts: none, listParts: none, completeMultipart: none, abortMultipart: none,
        });
        const upload = { id: '1', name: 'a', path: 'a', sizeBytes: body.size, mimeType: '', checksum: '' };
        const { signal } = new AbortController();
        const [{ credential }] = await adapter.credentials([upload], signal);
        await adapter.put({ upload, credential, body, signal, onProgress() {} })
          .catch(({ message }) => console.log(message));
      })();`;
    await writeFile(path.join(consumer, 'late.mjs'), script(`await import('bulkhead/s3')`));
    await writeFile(path.join(consumer, 'late.cjs'), script(`require('bulkhead/s3')`));
    for (const file of ['late.mjs', 'late.cjs']) {
      expect(await run(process.execPath, [file])).toEqual({ code: 0, output: 'opened a\n' });
    }
  });

  it('the fault server runs from the build, in both module systems', async () => {
    const script = (load: string) =>
      `void (async () => {
         const { createFaultServer, connectFaultServer } = ${load};
         const server = await createFaultServer();
         const remote = await connectFaultServer(server.url);
         console.log((await remote.state()).requests.length);
         await server.close();
       })();`;
    await writeFile(path.join(consumer, 'fault.mjs'), script(`await import('bulkhead/testing')`));
    await writeFile(path.join(consumer, 'fault.cjs'), script(`require('bulkhead/testing')`));
    for (const file of ['fault.mjs', 'fault.cjs']) {
      expect(await run(process.execPath, [file])).toEqual({ code: 0, output: '0\n' });
    }
  });

  it('what pages import of the test kit needs nothing of Node', async () => {
    const specifiersOf = async (file: string): Promise<string[]> => {
      const code = await readFile(path.join(root, 'dist/testing', file), 'utf8');
      return Array.from(code.matchAll(/from ['"]([^'"]+)['"]/g), ([, name = '']) => name);
    };
    const direct = await specifiersOf('client.js');
    const chunks = direct.filter((name) => name.startsWith('.'));
    const all = [...direct, ...(await Promise.all(chunks.map(specifiersOf))).flat()];
    expect(all).toContain('zod/mini');
    expect(all.filter(isBuiltin)).toEqual([]);
    expect((await specifiersOf('index.js')).some(isBuiltin)).toBe(true);
  });

  it('the server kit can be imported', async () => {
    await writeFile(
      path.join(consumer, 'server.mjs'),
      `import '@bulkhead/server'; console.log('ok')`,
    );
    expect(await run(process.execPath, ['server.mjs'])).toEqual({ code: 0, output: 'ok\n' });
  });

  it('the script for a <script> tag defines Bulkhead and nothing else', async () => {
    await writeFile(
      path.join(consumer, 'tag.mjs'),
      `import { readFileSync } from 'node:fs';
       import { runInThisContext } from 'node:vm';
       const before = new Set(Object.getOwnPropertyNames(globalThis));
       runInThisContext(readFileSync('node_modules/bulkhead/dist/bulkhead.global.js', 'utf8'));
       const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
       // zod keeps its configuration there, for all its copies on a page.
       console.log(added.filter((name) => !name.startsWith('__zod')).join(), typeof Bulkhead.createUploader);`,
    );
    expect(await run(process.execPath, ['tag.mjs'])).toEqual({
      code: 0,
      output: 'Bulkhead function\n',
    });
  });

  it.each([
    { module: 'preserve', moduleResolution: 'bundler', file: 'bundler.ts' },
    { module: 'nodenext', moduleResolution: 'nodenext', file: 'esm.mts' },
    { module: 'nodenext', moduleResolution: 'nodenext', file: 'cjs.cts' },
    { module: 'node16', moduleResolution: 'node16', file: 'node16.mts' },
    { module: 'node16', moduleResolution: 'node16', file: 'node16.cts' },
  ])(
    'types of bulkhead hold in a strict project: $moduleResolution, $file',
    async ({ file, ...options }) => {
      const source = `import { createUploader } from 'bulkhead';
      import { PROBLEMS, type Asset } from 'bulkhead/protocol';
      import { useUploads } from 'bulkhead/react';
      export const hook: typeof useUploads = useUploads;
      ${file === 'node16.cts' ? '' : ELEMENT}
      import { createFaultServer, type FaultRule } from 'bulkhead/testing';
      import { connectFaultServer } from 'bulkhead/testing/client';
      export const rule: FaultRule = { match: { route: 'put' }, at: 'body:1', do: 'reset' };
      export const urls = [createFaultServer({ plan: [rule] }), connectFaultServer('')].map(
        async (server) => (await server).storeUrl,
      );
      // @ts-expect-error: there is no such fault
      export const wrongRule: FaultRule = { do: 'explode' };
      export const create: typeof createUploader = createUploader;
      export const status: 429 = PROBLEMS.rate_limited.status;
      export const stage: Asset['stage'] = 'searchable';
      // @ts-expect-error: were the types not found, everything would be any
      export const wrong: number = createUploader;`;
      expect(await typeErrors(file, source, options)).toEqual([]);
    },
  );

  it('types of the server kit hold in a strict project', async () => {
    const source = `import { createEmbeddedServer } from '@bulkhead/server';
      export const create: typeof createEmbeddedServer = createEmbeddedServer;
      // @ts-expect-error: were the types not found, everything would be any
      export const wrong: number = createEmbeddedServer;`;
    const options = { module: 'nodenext', moduleResolution: 'nodenext' };
    const errors = await typeErrors('server.mts', source, options);
    // PGlite's declarations name those of Emscripten, which it does not install.
    expect(errors.filter((line) => !line.includes('@electric-sql/pglite/'))).toEqual([]);
  });

  /** What `tsc` says of one file, declarations of packages checked as well. */
  async function typeErrors(file: string, source: string, options: object): Promise<string[]> {
    await writeFile(path.join(consumer, file), source);
    const config = {
      compilerOptions: {
        ...options,
        target: 'es2022',
        lib: ['ES2023', 'DOM', 'DOM.Iterable', 'DOM.AsyncIterable'],
        types: ['node'],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
      },
      files: [file],
    };
    await writeFile(path.join(consumer, `tsconfig.${file}.json`), JSON.stringify(config));
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const { output } = await run(process.execPath, [tsc, '-p', `tsconfig.${file}.json`]);
    return output.split('\n').filter(Boolean);
  }
});
