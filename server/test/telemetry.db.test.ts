import { readFileSync } from 'node:fs';
import { SpanStatusCode } from '@opentelemetry/api';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLocalVisualEmbedder } from '../src/embeddings/local-visual.ts';
import { createPgBossQueue } from '../src/jobs/pg-boss-queue.ts';
import { createWorkers, type Workers } from '../src/jobs/workers.ts';
import { silentLogger } from '../src/logging.ts';
import { createServerTelemetry, type ServerTelemetry } from '../src/telemetry/server-telemetry.ts';
import type { TelemetrySnapshot } from '../src/telemetry/snapshot.ts';
import { photo } from './fixtures/images.ts';
import { recordingLogger } from './fixtures/recording-logger.ts';
import { jpeg, startTestServer, type TestServer } from './fixtures/test-server.ts';

const TOKEN = 'an operator’s token, which is long enough';
const BEARER = `Bearer ${Buffer.from(TOKEN).toString('hex')}`;
const HEX = Buffer.from(TOKEN).toString('hex');
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
const logger = recordingLogger();
let app: TestServer;
let telemetry: ServerTelemetry;
let workers: Workers;

/** What two photos, a damaged one and a duplicate leave behind. */
beforeAll(async () => {
  app = await startTestServer({
    operatorToken: HEX,
    limits: { rateLimitCapacity: 5 },
    makeQueue: (database) => createPgBossQueue({ database, logger: silentLogger }),
    makeTelemetry: (database, clock) => {
      telemetry = createServerTelemetry({
        database,
        clock,
        logger,
        tracer: provider.getTracer('test'),
        logIntervalMs: 100,
      });
      return telemetry;
    },
  });
  const { database, store, server, queue } = app;
  await queue.start();
  workers = createWorkers({
    database,
    queue,
    blobs: store,
    embedder: createLocalVisualEmbedder(),
    changes: server.changes,
    logger: silentLogger,
    telemetry,
  });
  const user = app.user();
  const photos = await Promise.all(
    [1, 2].map(async (seed) => ({
      ...jpeg(`secret name ${seed}.jpg`),
      bytes: new Uint8Array(await photo(seed).jpeg().toBuffer()),
    })),
  );
  const damaged = jpeg('damaged.jpg', 900);
  const ids: string[] = [];
  for (const file of [...photos, damaged]) ids.push(await user.upload(file));
  await user.call('POST', '/api/upload-complete', { uploads: ids.map((assetId) => ({ assetId })) });
  await user.reserve([photos[0] ?? damaged, { ...jpeg('x'.repeat(2000)) }]);
  await user.call('POST', '/api/upload-urls', { files: [] });
  await user.call('POST', '/api/upload-urls', { files: [] });
});
afterAll(async () => {
  await workers?.stop(1000);
  telemetry?.close();
  await provider.shutdown();
  await app?.close();
});

const ask = (path: string, authorization?: string) =>
  fetch(`${app.apiUrl}${path}`, { headers: authorization === undefined ? {} : { authorization } });
const snapshot = async (): Promise<TelemetrySnapshot> =>
  (await ask('/api/telemetry', BEARER)).json();

describe('telemetry', () => {
  test('knows the backlog of the whole database, and how old it is', async () => {
    app.advance(6000);
    const { queues } = await snapshot();
    expect(queues?.process.depth).toBe(3);
    expect(queues?.process.oldestSeconds).toBeGreaterThan(0);
    expect(queues?.embed).toEqual({ depth: 0, oldestSeconds: null });
  });

  test('follows files through every stage: counts, latencies, rates, failures by cause', async () => {
    await workers.start();
    await expect
      .poll(async () => (await snapshot()).latencies.embed.count, { timeout: 30_000 })
      .toBe(2);
    app.advance(6000);
    const { latencies, ratesPerSecond, failures, queues, rateLimited, process } = await snapshot();
    expect(latencies.upload.count).toBe(3);
    expect(latencies.credentials.count).toBe(4);
    expect(latencies.finalize.count).toBe(1);
    expect(latencies.process.count).toBe(3);
    for (const { p50Ms, p95Ms, p99Ms } of Object.values(latencies)) {
      expect(p50Ms).toBeGreaterThan(0);
      expect(p95Ms).toBeGreaterThanOrEqual(p50Ms ?? 0);
      expect(p99Ms).toBeGreaterThanOrEqual(p95Ms ?? 0);
    }
    expect(ratesPerSecond).toMatchObject({ uploaded: 0.05, processed: 0.03, embedded: 0.03 });
    expect(failures).toEqual({
      credentials: { invalid_name: 1 },
      process: { undecodable: 1 },
    });
    expect(queues).toEqual({
      process: { depth: 0, oldestSeconds: null },
      embed: { depth: 0, oldestSeconds: null },
    });
    expect(rateLimited).toBe(1);
    expect(process.memoryBytes).toBeGreaterThan(10_000_000);
  });

  test('tells Prometheus the same, and no name, id or user', async () => {
    const response = await ask('/metrics', BEARER);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const line of [
      'bulkhead_upload_latency_seconds_count 3',
      'bulkhead_files_total{stage="credentials",outcome="granted"} 3',
      'bulkhead_files_total{stage="credentials",outcome="duplicate"} 1',
      'bulkhead_files_total{stage="credentials",outcome="refused"} 1',
      'bulkhead_files_total{stage="finalize",outcome="finalized"} 3',
      'bulkhead_files_total{stage="process",outcome="done"} 2',
      'bulkhead_files_total{stage="process",outcome="failed"} 1',
      'bulkhead_files_total{stage="embed",outcome="done"} 2',
      'bulkhead_failures_total{stage="process",cause="undecodable"} 1',
      'bulkhead_rate_limited_total 1',
      'bulkhead_queue_depth{queue="process"} 0',
      'bulkhead_http_requests_total{method="POST",route="/api/upload-complete",status="200"} 1',
      'bulkhead_database_up 1',
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    expect(text).not.toMatch(/user-|secret name|[0-9a-f]{8}-[0-9a-f]{4}-/);
    for (const path of ['/api/assets/9d0b5a5e-0000-4000-8000-000000000000', '/wp-admin/x']) {
      await ask(path);
    }
    const after = await (await ask('/metrics', BEARER)).text();
    expect(after).toContain('{method="GET",route="/api/assets/:id",status="401"} 1');
    expect(after).toContain('{method="GET",route="none",status="404"} 1');
  });

  test('logs a line now and then while there is traffic', async () => {
    const lines = () => logger.lines.filter(({ message }) => message.startsWith('[Metrics] '));
    await expect
      .poll(() => lines().at(-1)?.fields)
      .toMatchObject({ upload_latency_count: 3, embedding_count: 2 });
    expect(lines().at(-1)?.message).toMatch(
      /^\[Metrics\] upload_latency_p95=\d+ms .* embedding_p95=\d+ms$/,
    );
    const count = lines().length;
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(lines()).toHaveLength(count);
  });

  test('makes a span of each request and job, with what it was and nothing of whom', async () => {
    const spans = exporter.getFinishedSpans();
    const named = (name: string) => spans.filter((span) => span.name === name);
    expect(named('bulkhead.finalize').map(({ attributes }) => attributes)).toEqual([
      { 'bulkhead.files': 3, 'bulkhead.finalized': 3 },
    ]);
    expect(named('bulkhead.credentials').at(-1)?.attributes).toEqual({
      'bulkhead.files': 2,
      'bulkhead.duplicate': 1,
      'bulkhead.refused': 1,
    });
    expect(named('bulkhead.process')).toHaveLength(3);
    expect(named('bulkhead.embed')[0]?.attributes).toEqual({
      'bulkhead.attempt': 1,
      'bulkhead.asset_id': expect.any(String),
    });
    expect(spans.every(({ status }) => status.code === SpanStatusCode.UNSET)).toBe(true);
    expect(JSON.stringify(spans.map(({ attributes }) => attributes))).not.toMatch(
      /http|secret|user-/,
    );
  });

  test('a span of what failed says its kind, not its message', async () => {
    exporter.reset();
    const failure = new TypeError('cannot read /home/ada/secret.jpg');
    const failing = telemetry.time('process', {}, () => Promise.reject(failure));
    await expect(failing).rejects.toBe(failure);
    const [span] = exporter.getFinishedSpans();
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(span?.attributes).toEqual({ 'error.type': 'TypeError' });
    expect(span?.events).toEqual([]);
  });
});

describe('operators', () => {
  test.each([
    ['no token', undefined, 401],
    ['another token', 'Bearer no', 401],
    ['a longer one', `${BEARER}0`, 401],
    ['the token', BEARER, 200],
    ['the token as a password', `Basic ${Buffer.from(`me:${HEX}`).toString('base64')}`, 200],
    ['the token as a name', `Basic ${Buffer.from(`${HEX}:`).toString('base64')}`, 401],
    ['nonsense', 'Basic ?', 401],
  ])('who shows %s is answered accordingly', async (_, authorization, status) => {
    for (const path of ['/api/telemetry', '/metrics']) {
      const response = await ask(path, authorization);
      expect(response.status, path).toBe(status);
      // A script of a page is not asked for a password: that would be the browser's own dialog.
      expect(response.headers.get('www-authenticate')).toBeNull();
      const headers = { 'sec-fetch-mode': 'navigate', ...(authorization && { authorization }) };
      const opened = await app.server.fetch(new Request(`${app.apiUrl}${path}`, { headers }));
      expect(opened.headers.get('www-authenticate') === null).toBe(status === 200);
    }
  });
});

describe('the Grafana dashboard', () => {
  /** Grafana's own variable, chosen on the page. */
  const SOURCE = ['$', '{datasource}'].join('');
  interface Panel {
    id: number;
    type: string;
    title: string;
    datasource: { type: string; uid: string };
    gridPos: { x: number; y: number; w: number; h: number };
    targets: { refId: string; expr: string; datasource: { uid: string } }[];
  }
  const dashboard = JSON.parse(
    readFileSync(new URL('../grafana/bulkhead.json', import.meta.url), 'utf8'),
  ) as {
    uid: string;
    title: string;
    schemaVersion: number;
    templating: { list: { name: string; type: string }[] };
    panels: Panel[];
  };
  const { panels } = dashboard;

  test('asks for nothing but metrics that the server has', async () => {
    const text = await (await ask('/metrics', BEARER)).text();
    const known = new Set(
      [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
      ),
    );
    // Where there is no pool there are no connections to count.
    known.add('bulkhead_database_connections');
    const asked = panels.flatMap(({ targets }) =>
      targets.flatMap(({ expr }) => expr.match(/bulkhead_\w+/g) ?? []),
    );
    expect(asked.length).toBeGreaterThan(20);
    for (const name of asked) expect(known).toContain(name);
    // And leaves out none.
    const bases = new Set(asked.map((name) => name.replace(/_bucket$/, '')));
    const types = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name);
    expect(types.filter((name) => !bases.has(name))).toEqual([]);
  });

  test('has the shape that Grafana loads: ids, places, sources, queries', () => {
    expect(dashboard).toMatchObject({ uid: 'bulkhead', title: 'Bulkhead' });
    expect(dashboard.schemaVersion).toBeGreaterThanOrEqual(36);
    expect(dashboard.templating.list).toContainEqual(
      expect.objectContaining({ name: 'datasource', type: 'datasource', query: 'prometheus' }),
    );
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const places = new Set<string>();
    for (const { title, type, datasource, gridPos, targets } of panels) {
      expect(['timeseries', 'stat'], title).toContain(type);
      expect(datasource, title).toEqual({ type: 'prometheus', uid: SOURCE });
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        const place = `${x},${gridPos.y}`;
        expect(places.has(place), `${title} covers another panel`).toBe(false);
        places.add(place);
      }
      for (const { expr, datasource: source } of targets) {
        expect(source.uid).toBe(SOURCE);
        for (const [open, close] of ['()', '{}', '[]']) {
          expect(expr.split(open ?? '').length, expr).toBe(expr.split(close ?? '').length);
        }
      }
    }
  });
});
