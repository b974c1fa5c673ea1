import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import type { OpenDatabase } from '../database/open-database.ts';
import { within } from '../within.ts';
import type { QueueDepthReader } from './queue-depths.ts';

const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10];
/** Whole batches and single jobs: from a warm credential to a large image on a busy machine. */
const STAGE_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30, 60];
const UPLOAD_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];
/** Prometheus gives up after 10 s, and would lose what else there is to say. */
const SCRAPE_TIMEOUT_MS = 3000;

export interface MetricsParts {
  clock: Clock;
  /** Without it, nothing is told about queues and connections. */
  database?: Pick<OpenDatabase, 'engine'> | undefined;
  depths?: QueueDepthReader | undefined;
  startedMs: number;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** Everything Prometheus gets, in a registry of its own. No label ever names a user or a file. */
export function createMetrics(parts: MetricsParts) {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];

  const metrics = {
    registry,
    uploadLatency: new Histogram({
      registers,
      name: 'bulkhead_upload_latency_seconds',
      help: 'From the credential of a file to its asset',
      buckets: UPLOAD_SECONDS,
    }),
    stageDuration: new Histogram({
      registers,
      name: 'bulkhead_stage_duration_seconds',
      help: 'One request for credentials or to finalize, one job of process or embed',
      labelNames: ['stage', 'outcome'],
      buckets: STAGE_SECONDS,
    }),
    stageInProgress: new Gauge({
      registers,
      name: 'bulkhead_stage_in_progress',
      help: 'Requests and jobs that run right now in this process',
      labelNames: ['stage'],
    }),
    files: new Counter({
      registers,
      name: 'bulkhead_files_total',
      help: 'What came of files in each stage',
      labelNames: ['stage', 'outcome'],
    }),
    failures: new Counter({
      registers,
      name: 'bulkhead_failures_total',
      help: 'Failures of files and jobs by cause, those that are tried again included',
      labelNames: ['stage', 'cause'],
    }),
    rateLimited: new Counter({
      registers,
      name: 'bulkhead_rate_limited_total',
      help: 'Requests that were answered 429',
    }),
    requests: new Counter({
      registers,
      name: 'bulkhead_http_requests_total',
      help: 'Answered requests',
      labelNames: ['method', 'route', 'status'],
    }),
    requestDuration: new Histogram({
      registers,
      name: 'bulkhead_http_request_duration_seconds',
      help: 'Until the answer began',
      labelNames: ['route'],
      buckets: REQUEST_SECONDS,
    }),
    streams: new Gauge({
      registers,
      name: 'bulkhead_event_streams',
      help: 'Open event streams of this process',
      labelNames: ['transport'],
    }),
    streamsClosed: new Counter({
      registers,
      name: 'bulkhead_event_streams_closed_total',
      help: 'Event streams that ended, by why',
      labelNames: ['transport', 'reason'],
    }),
    streamsRefused: new Counter({
      registers,
      name: 'bulkhead_event_streams_refused_total',
      help: 'Event streams that were refused, by whose limit it was',
      labelNames: ['limit'],
    }),
    eventsSent: new Counter({
      registers,
      name: 'bulkhead_events_sent_total',
      help: 'Events written to streams, heartbeats not counted',
    }),
  };
  addProcess(registers, parts);
  if (parts.database) addConnections(registers, parts.database);
  if (parts.depths) addQueues(registers, parts.depths);
  return metrics;
}

function addProcess(registers: Registry[], { clock, startedMs }: MetricsParts): void {
  new Gauge({
    registers,
    name: 'bulkhead_process_resident_memory_bytes',
    help: 'Resident memory of this process',
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  new Counter({
    registers,
    name: 'bulkhead_process_cpu_seconds_total',
    help: 'Processor time this process has used, user and system',
    collect() {
      const { user, system } = process.cpuUsage();
      this.reset();
      this.inc((user + system) / 1e6);
    },
  });
  new Gauge({
    registers,
    name: 'bulkhead_process_uptime_seconds',
    help: 'Since this process began to count',
    collect() {
      this.set((clock() - startedMs) / 1000);
    },
  });
}

function addConnections(registers: Registry[], { engine }: Pick<OpenDatabase, 'engine'>): void {
  if (engine.kind !== 'postgres') return;
  const { pool } = engine;
  new Gauge({
    registers,
    name: 'bulkhead_database_connections',
    help: 'Connections of this process to PostgreSQL; waiting are queries that have none',
    labelNames: ['state'],
    collect() {
      this.set({ state: 'active' }, pool.totalCount - pool.idleCount);
      this.set({ state: 'idle' }, pool.idleCount);
      this.set({ state: 'waiting' }, pool.waitingCount);
    },
  });
}

function addQueues(registers: Registry[], depths: QueueDepthReader): void {
  // Gauges are read at the same time, each by itself; the answer is one and the same.
  const read = () => within(SCRAPE_TIMEOUT_MS, depths.read()).catch(() => undefined);
  new Gauge({
    registers,
    name: 'bulkhead_queue_depth',
    help: 'Files of the whole database that wait for the stage, or are in it',
    labelNames: ['queue'],
    async collect() {
      const known = await read();
      this.reset();
      for (const [queue, { depth }] of Object.entries(known ?? {})) this.set({ queue }, depth);
    },
  });
  new Gauge({
    registers,
    name: 'bulkhead_queue_oldest_age_seconds',
    help: 'Since the oldest of them was finalized; 0 when there is none',
    labelNames: ['queue'],
    async collect() {
      const known = await read();
      this.reset();
      for (const [queue, { oldestSeconds }] of Object.entries(known ?? {})) {
        this.set({ queue }, oldestSeconds ?? 0);
      }
    },
  });
  new Gauge({
    registers,
    name: 'bulkhead_database_up',
    help: '1 when the database answered while this was read; queue depths are left out when it is 0',
    async collect() {
      this.set((await read()) ? 1 : 0);
    },
  });
}
