import { createFaultServer } from 'bulkhead/testing';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    faultServerUrl: string;
  }
}

/** Starts one fault server for the whole run; every test file spawns its own from it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await createFaultServer();
  project.provide('faultServerUrl', server.url);
  return () => server.close();
}
