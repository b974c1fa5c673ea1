import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FileStore } from '@tus/file-store';
import { Server } from '@tus/server';
import type { FaultProxy } from './fault-proxy.ts';
import type { LabBackend } from './lab.ts';

/** The official tus server, on files. */
export async function startTusBackend(
  startProxy: (url: string) => Promise<FaultProxy>,
): Promise<LabBackend> {
  const directory = await mkdtemp(path.join(tmpdir(), 'bulkhead-tus-'));
  const datastore = new FileStore({ directory });
  const tus = new Server({ path: '/files', datastore });
  const server = createServer((request, response) => void tus.handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const proxy = await startProxy(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);

  const uploads = async () => {
    const names = await readdir(directory);
    const ids = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5));
    return Promise.all(ids.map((id) => datastore.getUpload(id)));
  };
  const isWhole = ({ offset, size }: { offset: number; size?: number | undefined }) =>
    offset === size;

  return {
    proxy,
    facts: {},
    calls: {
      forget: (id: string) => datastore.remove(id),
      metadata: async (id: string) => (await datastore.getUpload(id)).metadata,
    },
    async read(id) {
      const upload = (await uploads()).find((each) => each.id === id);
      if (!upload || !isWhole(upload)) return undefined;
      return readFile(path.join(directory, id));
    },
    countStored: async () => (await uploads()).filter(isWhole).length,
    countUnfinished: async () => (await uploads()).filter((upload) => !isWhole(upload)).length,
    async close() {
      await proxy.close();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await rm(directory, { recursive: true, force: true });
    },
  };
}
