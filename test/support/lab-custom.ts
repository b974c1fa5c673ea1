import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { createBackend } from '../../examples/adapter/backend.ts';
import type { FaultProxy } from './fault-proxy.ts';
import type { LabBackend } from './lab.ts';

/** The backend that the documentation shows, in Express. */
export async function startCustomBackend(
  startProxy: (url: string) => Promise<FaultProxy>,
): Promise<LabBackend> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bulkhead-custom-'));
  const app = express();
  app.use(getRequestListener(createBackend(folder)));
  const server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return {
    proxy,
    facts: {},
    calls: {},
    async read(key) {
      const isStored = (await readdir(folder)).includes(key);
      return isStored ? readFile(path.join(folder, key)) : undefined;
    },
    countStored: async () => {
      const names = await readdir(folder);
      return names.filter((name) => !name.endsWith('.draft')).length;
    },
    async close() {
      await proxy.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
