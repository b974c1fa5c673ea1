/** What a machine is short of, and no file can cause: room, handles, memory, processes. */
const MACHINE_ERRNO = new Set([
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EAGAIN',
]);

/** The errno code by which an error, or what caused it, is the machine's fault; else `undefined`. */
export function machineFailure(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && typeof at.code === 'string' && MACHINE_ERRNO.has(at.code)) return at.code;
  }
  return undefined;
}
