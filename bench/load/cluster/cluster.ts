import { randomBytes, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import pg from 'pg';
import { createStatic } from '../../../examples/demo/static.ts';
import { createVisitors } from '../../../examples/demo/visitor.ts';
import { findOrStartPostgres, findOrStartRedis, type Service } from '../../../scripts/services.mjs';
import { findOrStartS3, type S3Service } from '../../../scripts/swift.mjs';
import type { Backend } from '../backend.ts';
import type { Incident } from '../disturbances.ts';
import { type Balancer, startBalancer } from './balancer.ts';
import { Instance } from './instance.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const PAGE = path.join(ROOT, 'examples/demo/dist');
const CONFIG = path.join(import.meta.dirname, 'bulkhead.config.ts');
const API_PROCESSES = 2;
const WORKER_PROCESSES = 2;
const MAX_FILE_BYTES = 100 * 1024 * 1024;

export interface ClusterOptions {
  readonly logFile: string;
  /** One of each kind of process is killed, and started again, this often; 0 never. */
  readonly killEveryMs: number;
}

/**
 * PostgreSQL, Redis, an S3 store, two API processes and two workers behind a balancer, all real; with a
 * database and a bucket of their own, which end with the run.
 */
export class Cluster implements Backend {
  readonly baseUrl: string;
  readonly incidents: Incident[] = [];
  readonly #apis: readonly Instance[];
  readonly #workers: readonly Instance[];
  readonly #cleanup: (() => Promise<void>)[];
  #killing: NodeJS.Timeout | undefined;
  #kill: Promise<void> = Promise.resolve();
  #kills = 0;
  readonly #startedMs = performance.now();

  private constructor(
    apis: readonly Instance[],
    workers: readonly Instance[],
    balancer: Balancer,
    cleanup: (() => Promise<void>)[],
  ) {
    this.#apis = apis;
    this.#workers = workers;
    this.#cleanup = cleanup;
    this.baseUrl = balancer.url;
  }

  static async start(
    { logFile, killEveryMs }: ClusterOptions,
    onUnexpectedExit: (error: Error) => void,
  ): Promise<Cluster> {
    const cleanup: (() => Promise<void>)[] = [];
    const onFailure = async () => {
      for (const end of cleanup.reverse()) await end().catch(() => {});
    };
    try {
      const postgres = await findOrStartPostgres();
      cleanup.push(postgres.stop);
      const redis = await findOrStartRedis();
      cleanup.push(redis.stop);
      const s3 = await findOrStartS3();
      cleanup.push(s3.stop);
      const databaseUrl = await createDatabase(postgres, cleanup);
      const bucket = await createBucket(s3);

      const visitorSecret = randomBytes(32).toString('hex');
      const visitors = createVisitors(visitorSecret);
      const env: Record<string, string> = {
        DATABASE_URL: databaseUrl,
        REDIS_URL: redis.url,
        // Its keys are the run's own: users are new in each.
        S3_BUCKET: bucket,
        S3_ENDPOINT: s3.endpoint,
        S3_REGION: s3.region,
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        S3_FORCE_PATH_STYLE: 'true',
        S3_CREATE_ONLY: String(!s3.isSwift),
        S3_VERIFIES_CHECKSUMS: String(s3.isSwift),
        BULKHEAD_VISITOR_SECRET: visitorSecret,
        BULKHEAD_PROCESS_CONCURRENCY: '1',
        LOG_LEVEL: 'info',
        NODE_ENV: 'production',
      };
      const log = createWriteStream(logFile, { flags: 'a' });
      cleanup.push(async () => void log.end());
      const ports = await freePorts(API_PROCESSES + WORKER_PROCESSES);
      const instances = ports.map((port, at) => {
        const isApi = at < API_PROCESSES;
        return new Instance({
          name: isApi ? `api-${at + 1}` : `worker-${at - API_PROCESSES + 1}`,
          args: [isApi ? 'serve' : 'work', '--config', CONFIG],
          env: { ...env, PORT: String(port) },
          healthUrl: `http://127.0.0.1:${port}/readyz`,
          log,
          onUnexpectedExit,
        });
      });
      cleanup.push(async () => {
        await Promise.all(instances.map((instance) => instance.stop()));
      });
      await Promise.all(instances.map((instance) => instance.start()));
      const page = createStatic({
        dir: PAGE,
        storeOrigin: () => new URL(s3.endpoint).origin,
        values: { MAX_FILE_BYTES: String(MAX_FILE_BYTES) },
      });
      const balancer = await startBalancer(ports.slice(0, API_PROCESSES), async (request) => {
        const response = await page(request);
        const isPage = new URL(request.url).pathname === '/';
        if (response && isPage && visitors.identify(request) === null) {
          for (const cookie of visitors.welcome()) response.headers.append('Set-Cookie', cookie);
        }
        return response;
      });
      cleanup.push(balancer.close);
      const apis = instances.slice(0, API_PROCESSES);
      const cluster = new Cluster(apis, instances.slice(API_PROCESSES), balancer, cleanup);
      if (killEveryMs > 0) cluster.#killEvery(killEveryMs, onUnexpectedExit);
      return cluster;
    } catch (error) {
      await onFailure();
      throw error;
    }
  }

  async peakMemoryBytes(): Promise<number> {
    const all = await Promise.all(
      [...this.#apis, ...this.#workers].map((instance) => instance.noteMemory()),
    );
    return all.reduce((sum, bytes) => sum + bytes, 0);
  }

  async stop(): Promise<void> {
    clearInterval(this.#killing);
    await this.#kill;
    for (const end of this.#cleanup.splice(0).reverse()) await end();
  }

  /** In turns, so that every process is killed, and one of each kind is always there. */
  #killEvery(everyMs: number, onFailure: (error: Error) => void): void {
    this.#killing = setInterval(() => {
      const at = this.#kills;
      this.#kills += 1;
      const victims = [
        this.#apis[at % this.#apis.length],
        this.#workers[at % this.#workers.length],
      ];
      this.#kill = this.#kill
        .then(() => Promise.all(victims.map((victim) => victim && this.#restart(victim))))
        .then(() => {}, onFailure);
    }, everyMs);
  }

  async #restart(instance: Instance): Promise<void> {
    const startedMs = performance.now();
    await instance.kill();
    await instance.start();
    const lastedMs = performance.now() - startedMs;
    const what = `${instance.name} was killed`;
    const atMs = startedMs - this.#startedMs;
    this.incidents.push({ what, atMs, acknowledged: [], lastedMs });
  }
}

async function createBucket({ endpoint, region, ...credentials }: S3Service): Promise<string> {
  const bucket = `load-${randomUUID()}`;
  const { accessKeyId, secretAccessKey } = credentials;
  const client = new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
  });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  return bucket;
}

async function createDatabase({ url }: Service, cleanup: (() => Promise<void>)[]): Promise<string> {
  const name = `bulkhead_load_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  const run = async (statement: string) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await run(`create database ${name}`);
  cleanup.push(() => run(`drop database if exists ${name} with (force)`));
  const own = new URL(url);
  own.pathname = `/${name}`;
  return own.href;
}

/** Fixed ones: a process that is started again must be found where it was. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve) => {
          server.listen(0, '127.0.0.1', () => {
            const address = server.address();
            resolve(typeof address === 'object' && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
