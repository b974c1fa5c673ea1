import path from 'node:path';
import type { NextConfig } from 'next';

const config: NextConfig = {
  // The kit runs in Node as it is: sharp, pg and PGlite are not for bundlers.
  serverExternalPackages: ['@bulkhead/server'],
  // Only because this example takes its packages from the repository around it.
  turbopack: { root: path.resolve(import.meta.dirname, '../..') },
  outputFileTracingRoot: path.resolve(import.meta.dirname, '../..'),
};

export default config;
