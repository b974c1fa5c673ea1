import type { RecordedRequest } from './request-log.ts';
import type { FaultServerState } from './server-state.ts';

/** The parts of an upload that are looked at; an uploader's rows fit. */
export interface CheckedUpload {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly status: string;
  readonly checksum?: string;
  readonly assetId?: string;
}

export interface InvariantCheck {
  /** The uploader's rows: `[...uploader.uploads()]`. */
  readonly uploads: readonly CheckedUpload[];
  /** `server.state()`. */
  readonly server: FaultServerState;
  /** SHA-256 of the files themselves by upload id, from a source other than the uploader. */
  readonly sourceChecksums?: Readonly<Record<string, string>>;
  /** PUTs of one key that may fail before it is given up, throttled ones apart. Default 5. */
  readonly maxPutAttempts?: number;
  /** Share of bytes that may come twice for no visible reason. Default 0.02. */
  readonly resentShare?: number;
  /** What was logged or shown, which must not hold a signature. */
  readonly texts?: readonly string[];
}

/**
 * How late a request may come after an answer that asks to wait: it was on its way already, perhaps
 * behind its preflight, on a machine that does other things as well.
 */
const ON_ITS_WAY_MS = 500;
/** Timers of browsers may fire a little early. */
const EARLY_MS = 20;

const ENDED = new Set([
  'searchable',
  'duplicate',
  'processing-failed',
  'rejected',
  'dead',
  'cancelled',
]);
const STORED = new Set(['processing', 'embedding', 'searchable', 'duplicate', 'processing-failed']);
const GIVEN_UP = new Set(['dead', 'cancelled']);
/** What may have left an object behind, for the server to sweep. */
const SWEPT = new Set(['dead', 'cancelled', 'rejected']);
const THROTTLED = new Set([429, 503]);
/** How faults of `down` are recorded. */
const OUTAGE = 'at outage';
/** What says nothing of the file: the wait, a credential that is used up, a session that ended. */
const FREE_OF_CHARGE = new Set([401, 403, 429, 503]);

/**
 * What must hold of every run, whatever failed in it.
 *
 * @returns a sentence for each violation, none when all is well
 */
export function checkInvariants(check: InvariantCheck): string[] {
  return [
    ...uploadsEnded(check),
    ...assetsAreTheUploads(check),
    ...bytesAreTheSources(check),
    ...objectsHaveRecords(check),
    ...bytesWentOnce(check),
    ...attemptsAreBounded(check),
    ...waitsAreKept(check.server.requests),
    ...countsAgree(check),
    ...nothingLeaked(check),
  ];
}

function uploadsEnded({ uploads }: InvariantCheck): string[] {
  return uploads
    .filter(({ status }) => !ENDED.has(status))
    .map(({ name, status }) => `I1: ${name} did not end: it is ${status}`);
}

function assetsAreTheUploads({ uploads, server }: InvariantCheck): string[] {
  const accepted = new Set(
    uploads.flatMap(({ status, checksum }) => (STORED.has(status) && checksum ? [checksum] : [])),
  );
  const known = server.assets.map(({ checksum }) => checksum);
  const violations: string[] = [];
  if (new Set(known).size !== known.length) violations.push('I2: two assets have the same bytes');
  for (const checksum of accepted) {
    if (!known.includes(checksum)) {
      violations.push(`I2: no asset has the bytes of ${nameOf(uploads, checksum)}`);
    }
  }
  // A finalize whose answer was lost may have ended an upload that was then given up.
  const givenUp = uploads.some(({ status }) => GIVEN_UP.has(status));
  for (const asset of server.assets) {
    if (!accepted.has(asset.checksum) && !givenUp) {
      violations.push(`I2: asset ${asset.filename} belongs to no upload that was accepted`);
    }
  }
  return violations;
}

function bytesAreTheSources({ uploads, server, sourceChecksums }: InvariantCheck): string[] {
  const violations: string[] = [];
  const objects = new Map(server.objects.map((object) => [object.key, object]));
  for (const asset of server.assets) {
    const object = objects.get(asset.key);
    if (object && object.checksum !== asset.checksum) {
      violations.push(`I3: the stored bytes of ${asset.filename} are not those of its asset`);
    }
  }
  for (const { id, name, checksum, status } of uploads) {
    const source = sourceChecksums?.[id];
    if (source !== undefined && STORED.has(status) && checksum !== source) {
      violations.push(`I3: ${name} was uploaded under a checksum that is not its own`);
    }
  }
  return violations;
}

function objectsHaveRecords({ uploads, server }: InvariantCheck): string[] {
  const assetKeys = new Set(server.assets.map(({ key }) => key));
  const objectKeys = new Set(server.objects.map(({ key }) => key));
  const violations = server.assets
    .filter(({ key }) => !objectKeys.has(key))
    .map(({ filename }) => `I4: asset ${filename} has no object`);
  for (const object of server.objects) {
    if (assetKeys.has(object.key)) continue;
    const reserved = server.reservations.find(({ key }) => key === object.key);
    // Nothing else may be left over.
    const isSwept = uploads.some(
      ({ status, name, sizeBytes }) =>
        SWEPT.has(status) && name === reserved?.filename && sizeBytes === object.sizeBytes,
    );
    if (!isSwept) {
      violations.push(`I4: the object of ${reserved?.filename ?? object.key} has no asset`);
    }
  }
  return violations;
}

function bytesWentOnce({ server, resentShare = 0.02 }: InvariantCheck): string[] {
  const puts = server.requests.filter(({ route }) => route === 'put');
  const sum = (numbers: readonly number[]) => numbers.reduce((total, bytes) => total + bytes, 0);
  const accepted = puts.filter(isStoredPut);
  const unique = new Map<string, number>();
  for (const { checksum, sizeBytes } of server.assets) unique.set(checksum, sizeBytes);
  for (const { checksum, sizeBytes } of server.reservations) unique.set(checksum, sizeBytes);
  const sentBytes = sum(accepted.map(({ receivedBytes }) => receivedBytes));
  const allowedBytes = sum([...unique.values()]) * (1 + resentShare);
  const violations: string[] = [];
  if (unique.size > 0 && sentBytes > allowedBytes) {
    violations.push(`I5: ${sentBytes} bytes were stored for ${Math.floor(allowedBytes)} allowed`);
  }
  const answered = new Map<string, RecordedRequest>();
  for (const put of puts) {
    if (put.key === null) continue;
    const before = answered.get(put.key);
    if (before && (before.endedAtMs ?? Number.POSITIVE_INFINITY) < put.atMs) {
      const name = nameOfKey(server, put.key);
      violations.push(`I5: ${name} was sent again (request ${put.n}) though it was stored`);
    }
    if (isStoredPut(put)) answered.set(put.key, put);
  }
  return violations;
}

function attemptsAreBounded({ server, maxPutAttempts = 5 }: InvariantCheck): string[] {
  const attempts = new Map<string, number>();
  for (const { route, key, status, faults } of server.requests) {
    if (route !== 'put' || key === null || FREE_OF_CHARGE.has(status ?? 0)) continue;
    // Nor does an outage, which some request has to find out about.
    if (faults.some((fault) => fault.endsWith(OUTAGE))) continue;
    attempts.set(key, (attempts.get(key) ?? 0) + 1);
  }
  return [...attempts]
    .filter(([, count]) => count > maxPutAttempts)
    .map(([key, count]) => {
      return `I6: ${nameOfKey(server, key)} was sent ${count} times, ${maxPutAttempts} are allowed`;
    });
}

/** Who was told to wait sends nothing of that kind until then. */
function waitsAreKept(requests: readonly RecordedRequest[]): string[] {
  return requests.flatMap((throttled) => {
    const { status, retryAfterMs, endedAtMs, route, n } = throttled;
    if (!THROTTLED.has(status ?? 0) || retryAfterMs === null || endedAtMs === null) return [];
    const untilMs = endedAtMs + retryAfterMs - EARLY_MS;
    const early = requests.find(
      ({ route: other, atMs }) =>
        other === route && atMs > endedAtMs + ON_ITS_WAY_MS && atMs < untilMs,
    );
    if (!early) return [];
    const afterMs = Math.round(early.atMs - endedAtMs);
    return [
      `I6: request ${early.n} (${route}) came ${afterMs} ms after request ${n} was told to wait ${retryAfterMs} ms`,
    ];
  });
}

function countsAgree({ uploads, server }: InvariantCheck): string[] {
  const assets = new Map(server.assets.map((asset) => [asset.id, asset]));
  return uploads.flatMap(({ name, status, assetId }) => {
    if (!STORED.has(status) || assetId === undefined) return [];
    const asset = assets.get(assetId);
    if (!asset) return [`I7: ${name} is ${status}, but the server has no such asset`];
    if (status === 'searchable' && asset.stage !== 'searchable') {
      return [`I7: ${name} is searchable, but the server says ${asset.stage}`];
    }
    if (status === 'processing-failed' && asset.stage !== 'failed') {
      return [`I7: ${name} failed in processing, but the server says ${asset.stage}`];
    }
    return [];
  });
}

function nothingLeaked({ uploads, texts = [] }: InvariantCheck): string[] {
  const shown = [...texts, ...uploads.map((upload) => JSON.stringify(upload))];
  const leaks = shown.filter((text) => /[?&](signature|X-Amz-Signature)=/i.test(text));
  return leaks.map((text) => {
    const masked = text.replace(/(signature=)[^&\s"]+/gi, '$1…');
    return `I9: a signed URL was shown or logged: ${masked.slice(0, 120)}`;
  });
}

/** The store itself said yes, not something in its place. */
function isStoredPut({ status, faults }: RecordedRequest): boolean {
  const isSuccess = status !== null && status >= 200 && status < 300;
  return isSuccess && !faults.some((fault) => /^(captive-portal|status) /.test(fault));
}

function nameOf(uploads: readonly CheckedUpload[], checksum: string): string {
  return uploads.find((upload) => upload.checksum === checksum)?.name ?? checksum;
}

function nameOfKey({ reservations }: FaultServerState, key: string): string {
  return reservations.find((reserved) => reserved.key === key)?.filename ?? key;
}
