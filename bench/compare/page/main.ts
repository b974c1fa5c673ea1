import { uploadByLoops } from './bare-loops.ts';
import { uploadByBulkhead } from './bulkhead.ts';
import { watchLongTasks } from './long-tasks.ts';
import type { PageClient, Servers } from './page-bench.ts';
import { uploadByTus } from './tus.ts';
import { uploadByUppyS3 } from './uppy-s3.ts';
import { uploadByUppyXhr } from './uppy-xhr.ts';

function upload(files: readonly File[], servers: Servers, client: PageClient): Promise<void> {
  switch (client.kind) {
    case 'bulkhead':
      return uploadByBulkhead(files, servers, client);
    case 'loops':
      return uploadByLoops(files, servers, client);
    case 'uppy-s3':
      return uploadByUppyS3(files, servers, client);
    case 'uppy-xhr':
      return uploadByUppyXhr(files, servers, client);
    case 'tus':
      return uploadByTus(files, servers, client);
  }
}

window.compareBench = {
  async run(client, servers) {
    const files = Array.from(document.querySelector('input')?.files ?? []);
    const stop = watchLongTasks();
    const startedMs = performance.now();
    await upload(files, servers, client);
    const totalMs = performance.now() - startedMs;
    return { totalMs, ...(await stop()) };
  },
};
