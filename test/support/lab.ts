import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestProject } from 'vitest/node';
import { findOrStartS3 } from '../../scripts/swift.mjs';
import { type FaultProxy, type ProxyFault, startFaultProxy } from './fault-proxy.ts';
import { startCustomBackend } from './lab-custom.ts';
import { startFormBackend } from './lab-form.ts';
import { LabRefusal } from './lab-refusal.ts';
import { startS3Backend } from './lab-s3.ts';
import { startTusBackend } from './lab-tus.ts';
import { startVercelBackend } from './lab-vercel.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where pages start backends of their own: see `openLab`. */
    labUrl: string;
  }
}

/** A backend behind a proxy that disturbs what goes there. */
export interface LabBackend {
  readonly proxy: FaultProxy;
  /** What else a page must know to make its adapter. */
  readonly facts: Readonly<Record<string, string>>;
  /** Endpoints of the application: JSON in, JSON out. */
  readonly calls: Readonly<Record<string, (body: never) => Promise<unknown>>>;
  /** By what identifies it at this backend. */
  read(name: string): Promise<Buffer | undefined>;
  countStored(): Promise<number>;
  countUnfinished?(): Promise<number>;
  close(): Promise<void>;
}

/** Real backends for the adapters' tests: each page that asks gets one of its own. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const backends = new Map<string, LabBackend>();
  let s3: ReturnType<typeof findOrStartS3> | undefined;
  // Takes seconds to start: once, and only when it is needed.
  const startS3 = async (hasForms: boolean) => {
    s3 ??= findOrStartS3();
    return startS3Backend(await s3, startFaultProxy, hasForms);
  };
  const starts: Readonly<Record<string, () => Promise<LabBackend>>> = {
    s3: () => startS3(false),
    's3-forms': () => startS3(true),
    tus: () => startTusBackend(startFaultProxy),
    vercel: () => startVercelBackend(startFaultProxy),
    form: () => startFormBackend(startFaultProxy),
    custom: () => startCustomBackend(startFaultProxy),
  };

  const open = async (kind: string) => {
    const backend = await starts[kind]?.();
    if (!backend) throw new LabRefusal(404, `There is no backend ${kind}`);
    const id = randomUUID();
    backends.set(id, backend);
    return { id, url: backend.proxy.url, facts: backend.facts };
  };

  const control = async (backend: LabBackend, name: string, body: never): Promise<unknown> => {
    const { proxy } = backend;
    switch (name) {
      case 'read': {
        const bytes = await backend.read(body);
        if (!bytes) return null;
        const checksum = createHash('sha256').update(bytes).digest('hex');
        return { sizeBytes: bytes.length, checksum };
      }
      case 'stored':
        return backend.countStored();
      case 'unfinished':
        return (await backend.countUnfinished?.()) ?? 0;
      case 'plan':
        return proxy.plan(body as readonly ProxyFault[]);
      case 'limit':
        return proxy.limit(body);
      case 'reset':
        return proxy.reset();
      case 'traffic':
        return {
          receivedBytes: proxy.receivedBytes,
          requests: proxy.requests,
          preflights: proxy.preflights,
        };
      default:
        throw new LabRefusal(404, `There is no command ${name}`);
    }
  };

  const answer = async (request: IncomingMessage): Promise<unknown> => {
    const [, area = '', id = '', name = ''] = (request.url ?? '').split('?')[0]?.split('/') ?? [];
    const received = await text(request);
    const body = (received === '' ? null : JSON.parse(received)) as never;
    if (area === 'open') return open(id);
    const backend = backends.get(id);
    if (!backend) throw new LabRefusal(404, `There is no backend ${id}`);
    if (area === 'control') return control(backend, name, body);
    const call = backend.calls[name];
    if (!call) throw new LabRefusal(404, `The application has no endpoint ${name}`);
    return call(body);
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-allow-headers', '*');
    if (request.method === 'OPTIONS') return response.writeHead(204).end();
    try {
      const json = JSON.stringify((await answer(request)) ?? null);
      response.writeHead(200, { 'content-type': 'application/json' }).end(json);
    } catch (error) {
      const status = error instanceof LabRefusal ? error.status : 500;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: String(error) }));
    }
    return response;
  };

  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('labUrl', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    await Promise.all([...backends.values()].map((backend) => backend.close()));
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
    await (await s3)?.stop();
  };
}
