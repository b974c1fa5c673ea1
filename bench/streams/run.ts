/**
 * What event streams cost: memory of each, how long a change takes to reach its readers, and heartbeats.
 *
 *   npm run bench:streams
 *
 * Ends with 1 when the goal is missed: every stream opens and gets every change, 95 of 100 within a second.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { type ClientRequest, get } from 'node:http';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { GOAL_MS, parseStreamsOptions, type StreamsOptions, USAGE } from './options.ts';
import type { Order, Report } from './server-process.ts';

const SCRIPT = fileURLToPath(new URL('./server-process.ts', import.meta.url));
const OPEN_AT_ONCE = 50;
/** Four heartbeats of 15 s, for what they cost; as long without, for what the process costs anyway. */
const HEARTBEATS_MS = 60_000;
const SETTLE_MS = 3000;
const GIVE_UP_MS = 20_000;
const MB = 1024 * 1024;

type Of<S extends Report['said']> = Extract<Report, { said: S }>;

function start(options: StreamsOptions, isWriter: boolean): ChildProcess {
  return fork(SCRIPT, [], {
    execArgv: ['--conditions=bulkhead-source', '--expose-gc'],
    env: {
      ...process.env,
      BENCH_USERS: String(options.users),
      BENCH_STREAMS: String(options.streams),
      BENCH_WRITER: isWriter ? '1' : '0',
    },
  });
}

async function hear<S extends Report['said']>(child: ChildProcess, said: S): Promise<Of<S>> {
  for (;;) {
    const [report] = (await once(child, 'message')) as [Report];
    if (report.said === said) return report as Of<S>;
  }
}

async function ask<S extends Report['said']>(child: ChildProcess, order: Order, said: S) {
  const answer = hear(child, said);
  child.send(order);
  return answer;
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.send({ do: 'stop' } satisfies Order);
  await exited;
}

const now = () => performance.timeOrigin + performance.now();

/** One reader; it tells each change of an asset when it comes. */
function open(apiUrl: string, userId: string, onChange: (atMs: number) => void) {
  return new Promise<ClientRequest>((resolve, reject) => {
    const url = `${apiUrl}/api/sse/processing-updates`;
    // A connection of its own, as every browser has.
    const request = get(url, { agent: false, headers: { 'x-user': userId } }, (response) => {
      if (response.statusCode !== 200) {
        reject(new Error(`A stream was answered ${response.statusCode}`));
        return;
      }
      let hasBegun = false;
      response.setEncoding('utf8');
      response.on('error', () => {});
      response.on('data', (text: string) => {
        if (text.includes('"type":"assets"')) onChange(now());
        if (hasBegun || !text.includes('"type":"progress"')) return;
        hasBegun = true;
        resolve(request);
      });
    });
    request.on('error', reject);
  });
}

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** @returns whether the goal was met */
async function run(options: StreamsOptions): Promise<boolean> {
  const { streams, users, changes } = options;
  const server = start(options, false);
  const { apiUrl, engine } = await hear(server, 'ready');
  const writer = process.env.DATABASE_URL ? start(options, true) : server;
  if (writer !== server) await hear(writer, 'ready');
  console.log(`${streams} streams of ${users} users on one instance (${engine})`);
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}`);

  const before = await ask(server, { do: 'usage' }, 'usage');
  const readers: ClientRequest[] = [];
  const arrived = new Map<string, number[]>();
  const startedMs = now();
  for (let at = 0; at < streams; at += OPEN_AT_ONCE) {
    const batch = Array.from({ length: Math.min(OPEN_AT_ONCE, streams - at) }, (_, n) => {
      const userId = `bench-${(at + n) % users}`;
      return open(apiUrl, userId, (atMs) => {
        arrived.set(userId, [...(arrived.get(userId) ?? []), atMs]);
      });
    });
    readers.push(...(await Promise.all(batch)));
  }
  console.log(`opened in ${Math.round(now() - startedMs)} ms`);
  await sleep(SETTLE_MS);
  const after = await ask(server, { do: 'usage' }, 'usage');
  const perStream = (after.heapBytes - before.heapBytes) / streams / 1024;
  console.log(
    `memory: ${perStream.toFixed(1)} KB a stream on the heap; resident ` +
      `${(before.rssBytes / MB).toFixed(0)} MB before, ${(after.rssBytes / MB).toFixed(0)} MB with all open`,
  );

  const delays: number[] = [];
  for (let n = 0; n < changes; n++) {
    const userId = `bench-${n % users}`;
    // The same readers each time: every stream of that user, the last one included.
    const expected = Math.floor(streams / users) + (n % users < streams % users ? 1 : 0);
    arrived.delete(userId);
    const { atMs } = await ask(writer, { do: 'change', userId }, 'changed');
    const deadlineMs = now() + GIVE_UP_MS;
    while ((arrived.get(userId)?.length ?? 0) < expected) {
      if (now() > deadlineMs) throw new Error(`A change reached ${arrived.get(userId)?.length}`);
      await sleep(1);
    }
    delays.push(...(arrived.get(userId) ?? []).map((arrivedMs) => arrivedMs - atMs));
  }
  delays.sort((a, b) => a - b);
  const ms = (share: number) => `${percentile(delays, share).toFixed(0)} ms`;
  console.log(
    `${changes} changes, ${delays.length} deliveries, from commit to reader: p50 ${ms(0.5)}, ` +
      `p95 ${ms(0.95)}, worst ${ms(1)} (of which 250 ms are the coalescing)`,
  );

  const p95Ms = percentile(delays, 0.95);
  const isMet = p95Ms <= GOAL_MS;
  console.log(
    `${isMet ? '✔' : '✘'} ${streams} streams, p95 ${p95Ms.toFixed(0)} ms (goal ${GOAL_MS} ms)`,
  );

  const first = await ask(server, { do: 'usage' }, 'usage');
  await sleep(HEARTBEATS_MS);
  const last = await ask(server, { do: 'usage' }, 'usage');
  for (const reader of readers) reader.destroy();
  await sleep(SETTLE_MS);
  const idleFirst = await ask(server, { do: 'usage' }, 'usage');
  await sleep(HEARTBEATS_MS);
  const idleLast = await ask(server, { do: 'usage' }, 'usage');
  const busyMs = last.cpuMs - first.cpuMs - (idleLast.cpuMs - idleFirst.cpuMs);
  console.log(
    `heartbeats, look and session checks: ${(busyMs / 4).toFixed(0)} ms of processor time every 15 s ` +
      `(${((busyMs / HEARTBEATS_MS) * 100).toFixed(2)} % of a core)`,
  );
  if (writer !== server) await stop(writer);
  await stop(server);
  return isMet;
}

const options = parseStreamsOptions(process.argv.slice(2));
if (!options) console.log(USAGE);
// A stream that does not open, or a change that never comes, is thrown: 1 too.
else if (!(await run(options))) process.exitCode = 1;
