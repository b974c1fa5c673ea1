/** What tests run in a frame, with the frame's own globals. */
export { systemRuntime } from '../../src/runtime/runtime.ts';
export { broadcastSessionChannel } from '../../src/storage/broadcast-session-channel.ts';
export { leaseLocks } from '../../src/storage/lease-locks.ts';
export { webLocks } from '../../src/storage/web-locks.ts';
