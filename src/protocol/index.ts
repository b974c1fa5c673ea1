/**
 * The wire between the SDK and the server kit: zod schemas, their types, limits and error codes.
 *
 * @module bulkhead/protocol
 */
export * from './library.ts';
export * from './limits.ts';
export * from './multipart.ts';
export * from './pack.ts';
export * from './problem.ts';
export * from './progress.ts';
export * from './queries.ts';
export * from './upload.ts';
