import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { fastFolder } from './fast-folder.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of this run, for embedded databases: the one that is copied, and its copies. */
    templateFolder: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(await fastFolder(), 'bulkhead-databases-'));
  project.provide('templateFolder', folder);
  return () => rm(folder, { recursive: true, force: true, maxRetries: 3 });
}
