/** How much one user may have under way, and add in a day. */
export interface Quotas {
  /** Reservations that are neither finalized nor expired. */
  maxOpenUploads: number;
  maxFilesPerDay: number;
  maxBytesPerDay: number;
}

/** What counts against the quotas just now. */
export interface Usage {
  openUploads: number;
  /** Open ones, and those that became assets in the last 24 hours. */
  files: number;
  bytes: number;
  /** When the first of what became assets stops to count. */
  freesAtMs: number;
  /** When the first open reservation expires. */
  firstExpiryMs: number | null;
}

/** Which of the files that would count anew fit, in their order. */
export interface Admission<T> {
  admitted: T[];
  /** Beyond a daily quota. */
  exceeding: T[];
  /** With the admitted ones. */
  usage: Usage;
}

/**
 * Holds files against the daily quotas. A file that is too large for what is left does not keep smaller ones
 * behind it from fitting.
 */
export function admitFiles<T extends { size: number }>(
  files: readonly T[],
  usage: Usage,
  quotas: Pick<Quotas, 'maxFilesPerDay' | 'maxBytesPerDay'>,
): Admission<T> {
  let { openUploads, files: count, bytes } = usage;
  const admitted: T[] = [];
  const exceeding: T[] = [];
  for (const file of files) {
    if (count < quotas.maxFilesPerDay && bytes + file.size <= quotas.maxBytesPerDay) {
      openUploads += 1;
      count += 1;
      bytes += file.size;
      admitted.push(file);
    } else {
      exceeding.push(file);
    }
  }
  return { admitted, exceeding, usage: { ...usage, openUploads, files: count, bytes } };
}

/** In words for a person: which quota, and when there is room again. */
export function describeExceeded(usage: Usage, quotas: Quotas, nowMs: number): string {
  const when = `More can be added ${waitInWords(usage.freesAtMs - nowMs)}`;
  if (usage.files >= quotas.maxFilesPerDay) {
    const most = quotas.maxFilesPerDay.toLocaleString('en');
    return `At most ${most} files a day are taken, and all of them are used up. ${when}`;
  }
  const left = Math.max(0, quotas.maxBytesPerDay - usage.bytes);
  const most = formatBytes(quotas.maxBytesPerDay);
  return `At most ${most} a day are taken, and ${formatBytes(left)} are left. ${when}`;
}

/** Whole seconds until there is room again, as {@link describeExceeded} says it in words. */
export function secondsUntilFree({ freesAtMs }: Usage, nowMs: number): number {
  return Math.max(1, Math.ceil((freesAtMs - nowMs) / 1000));
}

function waitInWords(waitMs: number): string {
  const minutes = Math.max(1, Math.ceil(waitMs / 60_000));
  if (minutes === 1) return 'in a minute';
  return minutes < 120 ? `in ${minutes} minutes` : `in ${Math.ceil(minutes / 60)} hours`;
}

function formatBytes(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];
  const exponent = Math.min(4, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = Math.floor((bytes / 1024 ** exponent) * 10) / 10;
  return `${value} ${units[exponent]}`;
}
