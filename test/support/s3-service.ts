import type { TestProject } from 'vitest/node';
import { findOrStartS3 } from '../../scripts/swift.mjs';

declare module 'vitest' {
  export interface ProvidedContext {
    s3: {
      endpoint: string;
      region: string;
      accessKeyId: string;
      secretAccessKey: string;
      /** Swift knows no create-only PUT and keeps no checksum; `BULKHEAD_TEST_S3` may name another. */
      isSwift: boolean;
    };
  }
}

/** A real S3 server for tests: the one that is named, or one that is started and ended again. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { stop, ...service } = await findOrStartS3();
  project.provide('s3', service);
  return stop;
}
