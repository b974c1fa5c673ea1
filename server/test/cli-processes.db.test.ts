import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { fastFolder } from '../../test/support/fast-folder.ts';
import { createPostgresDatabase, ENGINE } from './fixtures/databases.ts';
import { copyEmbedded } from './fixtures/embedded-copies.ts';
import { photo } from './fixtures/images.ts';
import { sha256 } from './fixtures/test-server.ts';

const PROGRAM = join(import.meta.dirname, '../src/cli/bulkhead-server.ts');
const TOKEN = 'an operator’s token of more than 32 bytes'.replaceAll(/[^\w]/g, '-');
const SECRET = 'a-secret-of-all-processes-of-32-bytes';

let dir: string;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  dir = await mkdtemp(join(await fastFolder(), 'bulkhead-cli-'));
});
afterAll(async () => {
  // Only after a failure is one left.
  for (const child of children) child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

interface Program {
  readonly output: () => string;
  readonly ended: Promise<number | null>;
  readonly child: ChildProcess;
  stop(): Promise<number | null>;
}

function start(args: readonly string[], env: Record<string, string>, cwd = dir): Program {
  const child = spawn(process.execPath, ['--conditions=bulkhead-source', PROGRAM, ...args], {
    cwd,
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  let output = '';
  child.stdout?.on('data', (chunk) => (output += chunk));
  child.stderr?.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit').then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  return {
    child,
    ended,
    output: () => output,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

async function untilReady(program: Program, port: number): Promise<void> {
  await vi.waitFor(
    async () => {
      if (program.child.exitCode !== null) throw new Error(program.output());
      const response = await fetch(`http://127.0.0.1:${port}/readyz`);
      await response.body?.cancel();
      expect(response.status).toBe(200);
    },
    { timeout: 30_000, interval: 100 },
  );
}

/** A configuration file in the programs' directory. @returns its name */
async function writeConfig(name: string, source: string): Promise<string> {
  await writeFile(join(dir, name), `export default ${source};`);
  return name;
}

/**
 * An empty database of this run's engine, as the environment names it. An embedded one that is new takes
 * its process seconds to make: it is a copy, but where making it is what is tested.
 */
async function databaseSettings({ isNew = false } = {}): Promise<{
  env: Record<string, string>;
  drop(): Promise<void>;
}> {
  if (ENGINE === 'pglite') {
    const home = join(dir, randomUUID());
    if (!isNew) await copyEmbedded(inject('templateFolder'), join(home, 'database'));
    return { env: { BULKHEAD_DIR: home }, drop: async () => {} };
  }
  const { url, drop } = await createPostgresDatabase();
  return { env: { DATABASE_URL: url }, drop };
}

/** One photo, from its credential to being searchable. */
async function bringPhoto(apiUrl: string, seed: number): Promise<void> {
  const headers = { 'content-type': 'application/json', 'x-user-id': 'ada' };
  const call = async (path: string, body?: unknown) => {
    const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${apiUrl}${path}`, { headers, ...post });
    expect(response.status).toBe(200);
    return response.json();
  };
  const bytes = new Uint8Array(await photo(seed, 320, 240).jpeg().toBuffer());
  const file = { clientId: `c${seed}`, filename: `${seed}.jpg`, mimeType: 'image/jpeg' };
  const { results } = await call('/api/upload-urls', {
    files: [{ ...file, size: bytes.length, checksum: sha256(bytes) }],
  });
  const { uploadUrl, headers: putHeaders, assetId } = results[0].credential;
  const put = await fetch(uploadUrl, { method: 'PUT', headers: putHeaders, body: bytes });
  expect(put.status).toBe(201);
  await call('/api/upload-complete', { assetId });
  await vi.waitFor(
    async () => expect((await call(`/api/assets/${assetId}`)).asset.stage).toBe('searchable'),
    { timeout: 20_000, interval: 100 },
  );
}

describe('bulkhead-server', () => {
  if (ENGINE === 'pglite') {
    it('serves and works in one process on embedded parts', async () => {
      const [port, storePort] = [await freePort(), await freePort()];
      const program = start(['serve'], {
        PORT: String(port),
        STORE_PORT: String(storePort),
        BULKHEAD_USER_HEADER: 'x-user-id',
        BULKHEAD_OPERATOR_TOKEN: TOKEN,
      });
      await untilReady(program, port);
      const apiUrl = `http://127.0.0.1:${port}`;
      await bringPhoto(apiUrl, 1);
      const authorization = `Bearer ${TOKEN}`;
      const metrics = await fetch(`${apiUrl}/metrics`, { headers: { authorization } });
      expect(await metrics.text()).toContain('bulkhead_');
      expect((await fetch(`${apiUrl}/metrics`)).status).toBe(401);
      expect(await program.stop()).toBe(0);
      expect(program.output()).not.toMatch(/not in order/);
    });

    // None of them asks for the other engine.
    it.each([
      [{}, ['work'], /needs a database that several processes can share.*DATABASE_URL/],
      [{}, ['serve'], /authorize in bulkhead.config.ts.*BULKHEAD_USER_HEADER/],
      [{ PORT: 'x' }, ['serve'], /PORT: expected a whole number/],
      [{}, ['serve', '--config', 'none.ts'], /no configuration file none.ts/],
      [{ DATABASE_URL: 'postgres://a:sesame@127.0.0.1:1/b' }, ['work'], /cannot be reached/],
    ])('says what to do and ends with 1: %j %j', async (env, args, message) => {
      const { env: home } = await databaseSettings();
      const program = start(args, { ...home, ...env });
      expect(await program.ended).toBe(1);
      expect(program.output()).toMatch(message);
      expect(program.output()).not.toMatch(/sesame|at file:/);
    });
  }

  if (ENGINE === 'postgres') {
    it('serves and works in two processes on one database, and both end in order', async () => {
      const { url, drop } = await createPostgresDatabase();
      try {
        const [port, storePort, workPort] = [await freePort(), await freePort(), await freePort()];
        const env = {
          NODE_ENV: 'production',
          DATABASE_URL: url,
          BULKHEAD_DIR: join(dir, 'shared'),
          BULKHEAD_SECRET: SECRET,
          BULKHEAD_USER_HEADER: 'x-user-id',
          STORE_PORT: String(storePort),
          BULKHEAD_STORE_URL: `http://127.0.0.1:${storePort}`,
        };
        const migrated = start(['migrate'], env);
        expect(await migrated.ended).toBe(0);
        const api = start(['serve'], { ...env, PORT: String(port) });
        const worker = start(['work'], { ...env, PORT: String(workPort) });
        await Promise.all([untilReady(api, port), untilReady(worker, workPort)]);
        await bringPhoto(`http://127.0.0.1:${port}`, 2);
        expect(await Promise.all([api.stop(), worker.stop()])).toEqual([0, 0]);
      } finally {
        await drop();
      }
    });
  }

  it('check finds nothing wrong where all is well, a store of one’s own in production too', async () => {
    const { env, drop } = await databaseSettings();
    try {
      const config = await writeConfig(
        'good.mjs',
        `{
          authorize: async () => 'ada',
          operatorToken: '${TOKEN}',
          blobStore: { name: 'own', ping: async () => {} },
        }`,
      );
      const program = start(['check', '--config', config], {
        ...env,
        NODE_ENV: 'production',
        REDIS_URL: inject('redisUrl'),
      });
      const code = await program.ended;
      const lines = program.output().trim().split('\n');
      expect(lines).toEqual([
        expect.stringMatching(/^✔ database: /),
        '✔ store (own)',
        '✔ redis',
        '✔ embedder: local-visual-v1, 392 numbers',
        '✔ authorize',
        '✔ operator: may see telemetry and /admin',
      ]);
      expect(code).toBe(0);
    } finally {
      await drop();
    }
  });

  it('check names each thing that is wrong, and ends with 1', async () => {
    const { env, drop } = await databaseSettings();
    try {
      const config = await writeConfig(
        'bad.mjs',
        `{
          blobStore: { name: 'own', ping: async () => { throw new Error('no such bucket'); } },
          embedder: { model: 'mine', dimensions: 8, embed: async () => [1, 2] },
        }`,
      );
      const program = start(['check', '--config', config], {
        ...env,
        REDIS_URL: `redis://:sesame@127.0.0.1:${await freePort()}`,
      });
      const code = await program.ended;
      expect(program.output()).toMatch(/^✘ store \(own\): no such bucket$/m);
      expect(program.output()).toMatch(/^✘ redis: REDIS_URL: .*ECONNREFUSED/m);
      expect(program.output()).toMatch(/^✘ embedder: mine: The embedder gave 2 numbers where 8/m);
      expect(program.output()).toMatch(/^✘ authorize: .*BULKHEAD_USER_HEADER$/m);
      expect(program.output()).toMatch(/^✔ operator: none: /m);
      expect(program.output()).not.toMatch(/sesame/);
      expect(code).toBe(1);
    } finally {
      await drop();
    }
  });

  it('migrate needs the database only: no secret, store or provider, nor a configuration that asks for one', async () => {
    const { env, drop } = await databaseSettings({ isNew: true });
    const inPlace = await mkdtemp(join(tmpdir(), 'bulkhead-cli-'));
    try {
      const file = join(inPlace, 'bulkhead.config.mjs');
      await writeFile(file, `throw new Error('the provider’s key is not here');`);
      const where = { BULKHEAD_DIR: join(dir, randomUUID()), ...env, NODE_ENV: 'production' };
      const unset = { BULKHEAD_STORE: 's3', BULKHEAD_EMBEDDER: 'replicate' };
      const program = start(['migrate'], { ...where, ...unset }, inPlace);
      expect([await program.ended, program.output()]).toEqual([0, 'The database is up to date\n']);
      const nowhere = start(['migrate'], { NODE_ENV: 'production' }, inPlace);
      expect(await nowhere.ended).toBe(1);
      expect(nowhere.output()).toMatch(/DATABASE_URL: is missing/);
    } finally {
      await rm(inPlace, { recursive: true, force: true });
      await drop();
    }
  });

  it('takes webhooks and the clock of its configuration file, and names a port that is taken', async () => {
    const { env, drop } = await databaseSettings();
    try {
      const config = await writeConfig(
        'hooks.mjs',
        `{
          authorize: async () => 'ada',
          operatorToken: '${TOKEN}',
          clock: () => Date.now() + 365 * 86_400_000,
          webhooks: { bell: async () => new Response('rung') },
        }`,
      );
      const [port, storePort] = [await freePort(), await freePort()];
      const ports = { PORT: String(port), STORE_PORT: String(storePort) };
      const shared = { BULKHEAD_DIR: join(dir, randomUUID()), ...env };
      const program = start(['serve', '--config', config], { ...shared, ...ports });
      await untilReady(program, port);
      const url = `http://127.0.0.1:${port}`;
      const rung = await fetch(`${url}/api/webhooks/bell`, { method: 'POST' });
      expect(await rung.text()).toBe('rung');
      const telemetry = await fetch(`${url}/api/telemetry`, {
        headers: { authorization: `Bearer ${TOKEN}` },
      });
      const { timestamp } = await telemetry.json();
      expect(Date.parse(timestamp) - Date.now()).toBeGreaterThan(364 * 86_400_000);

      const other = await databaseSettings();
      const second = start(['serve', '--config', config], {
        BULKHEAD_DIR: join(dir, randomUUID()),
        ...other.env,
        PORT: String(port),
        STORE_PORT: String(await freePort()),
      });
      expect(await second.ended).toBe(1);
      expect(second.output()).toMatch(new RegExp(`PORT: ${port} on 127.0.0.1 is taken`));
      expect(second.output()).not.toMatch(/at file:|Error:/);
      await other.drop();
      expect(await program.stop()).toBe(0);
    } finally {
      await drop();
    }
  });
});
