/**
 * PostgreSQL and Redis for the tests: those that run here, or else ones of our own, on free ports and in
 * temporary folders, which end with the tests.
 */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findExecutable } from './find-executable.mjs';

const START_MS = 20_000;
/** The user that Debian's packages make: PostgreSQL refuses to run as root. */
const POSTGRES_USER = 'postgres';

/** A service that cannot be had here; the message says how to get it. */
export class ServiceError extends Error {
  name = 'ServiceError';
}

/**
 * `BULKHEAD_TEST_POSTGRES` (a URL whose user may make databases), or the server on port 5432 if it lets
 * `postgres` in, or one of our own.
 */
export async function findOrStartPostgres() {
  const given = process.env.BULKHEAD_TEST_POSTGRES;
  if (given) return { url: given, stop: async () => {} };
  const local = 'postgres://postgres@127.0.0.1:5432/postgres';
  if ((await isListening(5432)) && (await acceptsPostgres(local))) {
    return { url: local, stop: async () => {} };
  }
  return startPostgres();
}

/** `BULKHEAD_TEST_REDIS`, or the server on port 6379 if it wants no password, or one of our own. */
export async function findOrStartRedis() {
  const given = process.env.BULKHEAD_TEST_REDIS;
  if (given) return { url: given, stop: async () => {} };
  if (await answersPing(6379)) return { url: 'redis://127.0.0.1:6379', stop: async () => {} };
  return startRedis();
}

/** The programs of the newest PostgreSQL here. */
export function findPostgres() {
  const onPath = findExecutable({
    variable: 'BULKHEAD_POSTGRES',
    names: ['postgres'],
    places: [],
    env: process.env,
  });
  if (onPath) return path.dirname(onPath);
  const root = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    const [newest] = versions;
    return newest && path.join(root, newest, 'bin');
  } catch {
    return undefined;
  }
}

export const findRedis = () =>
  findExecutable({
    variable: 'BULKHEAD_REDIS_SERVER',
    names: ['redis-server'],
    places: [],
    env: process.env,
  });

async function startPostgres() {
  const bin = findPostgres();
  if (!bin) {
    throw new ServiceError(
      'There is no PostgreSQL. Install it, or name a server: BULKHEAD_TEST_POSTGRES=postgres://… npm test',
    );
  }
  const dir = mkdtempSync(path.join(tmpdir(), 'bulkhead-postgres-'));
  const identity = identityOf(POSTGRES_USER);
  if (identity) chownSync(dir, identity.uid, identity.gid);
  const data = path.join(dir, 'data');
  const options = { cwd: dir, encoding: 'utf8', ...identity };
  const made = spawnSync(
    path.join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '-N'],
    options,
  );
  if (made.status !== 0) {
    rmSync(dir, { recursive: true, force: true });
    throw new ServiceError(`initdb failed: ${made.stderr || made.error?.message}`);
  }
  const port = await freePort();
  const child = spawn(
    path.join(bin, 'postgres'),
    ['-D', data, '-p', String(port), '-k', dir, '-h', '127.0.0.1', '-c', 'max_connections=200'],
    { cwd: dir, stdio: 'ignore', ...identity },
  );
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  return untilReady(child, dir, 'SIGINT', 'PostgreSQL', url, () => acceptsPostgres(url));
}

async function startRedis() {
  const program = findRedis();
  if (!program) {
    throw new ServiceError(
      'There is no Redis. Install it, or name a server: BULKHEAD_TEST_REDIS=redis://… npm test',
    );
  }
  const dir = mkdtempSync(path.join(tmpdir(), 'bulkhead-redis-'));
  const port = await freePort();
  const child = spawn(
    program,
    [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
      '--dir',
      dir,
    ],
    { stdio: 'ignore' },
  );
  const url = `redis://127.0.0.1:${port}`;
  return untilReady(child, dir, 'SIGTERM', 'Redis', url, () => answersPing(port));
}

async function untilReady(child, dir, stopSignal, name, url, isReady) {
  const ended = new Promise((resolve) => {
    child.on('close', resolve);
    child.on('error', resolve);
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill(stopSignal);
    await ended;
    rmSync(dir, { recursive: true, force: true });
  };
  const deadlineMs = Date.now() + START_MS;
  while (Date.now() < deadlineMs && child.exitCode === null) {
    if (await isReady()) return { url, stop };
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await stop();
  throw new ServiceError(`${name} did not start within ${START_MS / 1000} s`);
}

/** Of a user to run as, where this is root. */
function identityOf(user) {
  if (process.getuid?.() !== 0) return undefined;
  const [uid, gid] = ['-u', '-g'].map((flag) =>
    Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout),
  );
  return uid ? { uid, gid } : undefined;
}

async function acceptsPostgres(url) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

function answersPing(port) {
  return exchange(port, 'PING\r\n', (answer) => answer.startsWith('+PONG'));
}

/** Whether anything answers on that port of this machine. */
export const isListening = (port) => exchange(port, '', () => true);

/** Connects, sends, and looks at what comes first; with nothing to send, connecting is enough. */
function exchange(port, text, accept) {
  return new Promise((resolve) => {
    const socket = new Socket();
    const end = (result) => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(1000, () => end(false));
    socket.on('error', () => end(false));
    socket.on('data', (data) => end(accept(String(data))));
    socket.connect(port, '127.0.0.1', () => {
      if (text === '') end(accept(''));
      else socket.write(text);
    });
  });
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
