import type { TestProject } from 'vitest/node';
import { findOrStartPostgres, findOrStartRedis } from '../../scripts/services.mjs';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Of a user that may make databases. */
    postgresUrl: string;
    redisUrl: string;
  }
}

/** Real services for tests: found, or started and ended again. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await findOrStartPostgres();
  const redis = await findOrStartRedis();
  project.provide('postgresUrl', postgres.url);
  project.provide('redisUrl', redis.url);
  return async () => {
    await postgres.stop();
    await redis.stop();
  };
}
