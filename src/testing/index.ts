/**
 * `bulkhead/testing`: a backend that fails as it is told, for tests in Node; and all of its client.
 *
 * @module bulkhead/testing
 */
export * from './client.ts';
export type { FaultServerOptions } from './fault-options.ts';
export { createFaultServer, type FaultServer } from './fault-server.ts';
