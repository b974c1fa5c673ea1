/**
 * `bulkhead/testing/client`: the half of the tests that runs in a page: commands for a fault server,
 * the invariants, and the conformance suite for adapters. Nothing of Node in it. `bulkhead/testing` has all of
 * it too, and describes it.
 *
 * @module bulkhead/testing/client
 */
export type {
  FaultServerAddress,
  FaultServerClient,
  FaultServerCommands,
  InvariantOptions,
  SignedFile,
} from './commands.ts';
export {
  type AdapterConformanceOptions,
  adapterConformance,
  describeUploadAdapter,
  type TestedCapabilities,
} from './conformance/adapter-conformance.ts';
export type {
  AdapterBackend,
  BackendFaults,
  UploadUnderTest,
} from './conformance/adapter-world.ts';
export {
  type AdapterUnderTest,
  type BulkheadConformanceOptions,
  bulkheadConformance,
  describeBulkheadAdapter,
} from './conformance/bulkhead-conformance.ts';
export type { ConformanceCase, TestRunner } from './conformance/conformance-case.ts';
export { ConformanceError } from './conformance/expectations.ts';
export type { FaultAsset } from './fault-backend.ts';
export type { FaultBehaviour, FaultProcessing, FaultServerPlainOptions } from './fault-options.ts';
export type { FaultAction, FaultPoint, FaultRoute, FaultRoutes, FaultRule } from './fault-rules.ts';
export { connectFaultServer, FaultServerError } from './fault-server-client.ts';
export { type CheckedUpload, checkInvariants, type InvariantCheck } from './invariants.ts';
export type { StoredObject } from './object-shelf.ts';
export type { RecordedRequest } from './request-log.ts';
export type { FaultServerState, ReservedUpload } from './server-state.ts';
