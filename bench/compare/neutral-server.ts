import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Protocol } from './options.ts';
import type { Intake } from './server/exchange.ts';
import type { FromServer, PageFiles, TlsFiles, ToServer } from './server/messages.ts';
import type { Arrivals } from './server/tally.ts';

const SCRIPT = path.join(import.meta.dirname, 'server/process.ts');
const STOP_TIMEOUT_MS = 10_000;
const run = promisify(execFile);

/** The server did not start, ended by itself, or answered out of turn. */
export class NeutralServerError extends Error {
  override readonly name = 'NeutralServerError';
}

export interface NeutralServerOptions {
  readonly protocol: Protocol;
  readonly page: PageFiles;
  /** Where a CPU profile of the server is written when it ends. */
  readonly profileDir: string | undefined;
}

/** An API and a store in a process of their own, which favour nobody: bytes are counted and dropped. */
export class NeutralServer {
  readonly apiUrl: string;
  readonly storeUrl: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, apiUrl: string, storeUrl: string) {
    this.#child = child;
    this.apiUrl = apiUrl;
    this.storeUrl = storeUrl;
  }

  /** @throws NeutralServerError when it does not start */
  static async start({ protocol, page, profileDir }: NeutralServerOptions): Promise<NeutralServer> {
    const tls = protocol === 'h2' ? await makeCertificate() : undefined;
    const profiling =
      profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
    const child = fork(SCRIPT, { execArgv: profiling, serialization: 'advanced' });
    const { apiUrl, storeUrl } = await ask(child, { type: 'listen', page, tls }, 'listening');
    return new NeutralServer(child, apiUrl, storeUrl);
  }

  /** Forgets the last run. */
  async begin(settings: { delayMs: number; intake: Intake }): Promise<void> {
    const { storeUrl } = this;
    await ask(this.#child, { type: 'begin', storeUrl, ...settings }, 'begun');
  }

  /** What came in since the run began, and the CPU time that it took. */
  async arrivals(): Promise<{ readonly arrivals: Arrivals; readonly cpuSeconds: number }> {
    return ask(this.#child, { type: 'ask' }, 'arrived');
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    // It ends by itself when nobody listens any more, and writes its profile.
    this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }
}

/** One question, one answer. */
function ask<T extends FromServer['type']>(
  child: ChildProcess,
  question: ToServer,
  expected: T,
): Promise<Extract<FromServer, { type: T }>> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new NeutralServerError('The neutral server ended by itself'));
    child.once('exit', ended);
    child.once('message', (answer: FromServer) => {
      child.off('exit', ended);
      if (answer.type === expected) resolve(answer as Extract<FromServer, { type: T }>);
      else reject(new NeutralServerError(`${expected} was expected, ${answer.type} came`));
    });
    child.send(question);
  });
}

/**
 * A certificate for this run alone.
 *
 * @throws NeutralServerError when there is no openssl on PATH
 */
async function makeCertificate(): Promise<TlsFiles> {
  const dir = await mkdtemp(path.join(tmpdir(), 'bulkhead-compare-tls-'));
  const [keyFile, certFile] = [path.join(dir, 'key.pem'), path.join(dir, 'cert.pem')];
  try {
    await run('openssl', [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '1'],
      ...['-keyout', keyFile, '-out', certFile],
    ]);
    return { key: await readFile(keyFile, 'utf8'), cert: await readFile(certFile, 'utf8') };
  } catch (cause) {
    const message = 'HTTP/2 needs a certificate, which the program openssl makes';
    throw new NeutralServerError(message, { cause });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
