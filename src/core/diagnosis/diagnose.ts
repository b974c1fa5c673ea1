import { UploadError } from '../../errors/upload-error.ts';
import type { Hasher } from '../../hashing/hasher.ts';
import type { Credential } from '../../protocol/index.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { Journal } from '../../storage/journal.ts';
import type { CredentialRequest, UploadAdapter } from '../../transports/adapter.ts';
import { credentialResults, finalizeOutcomes, putOutcome } from '../stages/adapter-answers.ts';
import { asUploadError } from '../stages/stage.ts';
import type { Diagnosis, DiagnosisCheck } from './diagnosis.ts';
import { apiFix, storeFix } from './fixes.ts';

/** Signed URLs live five minutes; a tenth of that is no matter. */
const TOLERATED_SKEW_MS = 30_000;
const EVENTS_WAIT_MS = 8_000;

export interface DiagnosisParts {
  readonly adapter: UploadAdapter;
  readonly runtime: Runtime;
  readonly hasher: Hasher;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

type Finding = Omit<DiagnosisCheck, 'name' | 'durationMs'>;

/**
 * Goes the way of an upload with a file of a few bytes that is no image, and looks at each step. Where the
 * backend verifies uploads it refuses the file in the end, and keeps nothing of it.
 */
export async function diagnose(parts: DiagnosisParts): Promise<Diagnosis> {
  const { adapter, runtime } = parts;
  const checks: DiagnosisCheck[] = [];
  const check = async (name: DiagnosisCheck['name'], look: () => Promise<Finding> | Finding) => {
    const startMs = runtime.now();
    const finding = await look();
    checks.push({ name, ...finding, durationMs: Math.round(runtime.now() - startMs) });
    return finding.status;
  };
  const skip = (name: DiagnosisCheck['name'], needed: string) =>
    check(name, () => ({ status: 'skipped', detail: `Not looked at: ${needed}.` }));

  await check('page', () => lookAtPage(runtime));
  await check('storage', () => lookAtStorage(parts));
  const probe = await createProbe(parts);
  await check('hashing', () => lookAtHashing(parts, probe));
  const granted: { credential?: Credential } = {};
  await check('credentials', () => askForCredential(parts, probe, granted));
  const { credential } = granted;
  if (!credential) {
    await skip('clock', 'there is no credential');
    await skip('store', 'there is no credential');
    await skip('finalize', 'nothing is stored');
  } else {
    await check('clock', () => compareClocks(credential, runtime));
    const stored = await check('store', () => send(parts, probe, credential));
    if (stored === 'failed') await skip('finalize', 'nothing is stored');
    else if (!adapter.capabilities.verifiesAtFinalize) {
      await skip('finalize', 'this backend would take the file into the library');
    } else await check('finalize', () => finalize(parts, probe, credential));
  }
  await check('events', () => awaitEvents(parts));
  return { ok: checks.every(({ status }) => status !== 'failed'), checks };
}

interface Probe {
  readonly upload: CredentialRequest;
  readonly body: Blob;
  readonly checksum: string | UploadError;
}

/** A file like no other: no server has it already. */
async function createProbe({ runtime, hasher, signal }: DiagnosisParts): Promise<Probe> {
  const id = runtime.uuid();
  const type = 'image/png';
  const body = new Blob([`Bulkhead diagnosis ${id}`], { type });
  const checksum = await hasher
    .hash(body, signal)
    .catch((cause: unknown) =>
      cause instanceof UploadError ? cause : new UploadError('hashing_failed', String(cause)),
    );
  const name = 'bulkhead-diagnosis.png';
  const upload = {
    ...{ id, name, path: name, mimeType: type, sizeBytes: body.size },
    checksum: typeof checksum === 'string' ? checksum : '',
  };
  return { upload, body, checksum };
}

function lookAtPage(runtime: Runtime): Finding {
  if (!runtime.isOnline()) {
    return { status: 'failed', detail: 'The browser is offline.', fix: 'Connect to a network.' };
  }
  if (globalThis.isSecureContext === false) {
    return {
      status: 'warning',
      detail: 'This page came by plain http: no WebCrypto, locks or stored files here.',
      fix: 'Serve the page by https (or from localhost).',
    };
  }
  return { status: 'ok', detail: 'The browser is online, and the page’s context is secure.' };
}

async function lookAtStorage({ journal }: DiagnosisParts): Promise<Finding> {
  try {
    await journal.checksums([]);
    await journal.sessions('');
  } catch (error) {
    return {
      status: 'warning',
      detail: `Uploads do not outlive this page: ${String(error)}`,
      fix: 'Leave the private window, allow this site to store data, or free some disk.',
    };
  }
  return { status: 'ok', detail: 'Uploads outlive this page.' };
}

function lookAtHashing({ hasher }: DiagnosisParts, { checksum }: Probe): Finding {
  if (checksum instanceof UploadError) {
    return { status: 'failed', detail: checksum.message, fix: 'Reload the page.' };
  }
  const { mode } = hasher;
  if (mode?.worker === 'blocked') {
    return {
      status: 'warning',
      detail: 'The hash worker could not be started: large files are hashed in the page.',
      fix: 'Put `hash-worker.js` beside the script or pass `workerUrl`, and allow it in `worker-src` of the CSP.',
    };
  }
  if (mode?.slices === 'js') {
    return {
      status: 'warning',
      detail:
        'WebAssembly is forbidden here: large files are hashed by JavaScript, two to four times slower.',
      fix: 'Add `wasm-unsafe-eval` to `script-src` of the CSP.',
    };
  }
  return { status: 'ok', detail: 'A checksum was computed.' };
}

async function askForCredential(
  parts: DiagnosisParts,
  { upload }: Probe,
  granted: { credential?: Credential },
): Promise<Finding> {
  try {
    const answer = await parts.adapter.credentials([upload], parts.signal);
    const [result] = credentialResults(answer, 1);
    if (result?.status === 'granted') {
      granted.credential = result.credential;
      return { status: 'ok', detail: 'The server gives credentials.' };
    }
    if (result?.status === 'failed') throw result.error;
    throw new UploadError('unexpected_response', 'The server gave no credential for a new file.');
  } catch (cause) {
    const error = asUploadError(parts, cause);
    return failed(`No credential: ${error.message}`, apiFix(error));
  }
}

function compareClocks({ expiresAt, expiresInMs }: Credential, runtime: Runtime): Finding {
  const aheadMs = Date.parse(expiresAt) - expiresInMs - runtime.epochNow();
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  if (Number.isNaN(aheadMs)) return { status: 'warning', detail: 'The server tells no time.' };
  const how = aheadMs > 0 ? 'behind' : 'ahead of';
  const detail = `This computer’s clock is ${seconds} s ${how} the server’s.`;
  if (Math.abs(aheadMs) <= TOLERATED_SKEW_MS) return { status: 'ok', detail };
  return {
    status: 'warning',
    detail: `${detail} Uploads do not count on it; a store that signs by this clock would.`,
    fix: 'Set the clocks of both by NTP.',
  };
}

async function send(
  parts: DiagnosisParts,
  { upload, body }: Probe,
  credential: Credential,
): Promise<Finding> {
  const { adapter, signal } = parts;
  try {
    const request = { upload, credential, body, signal, onProgress: () => {} };
    const outcome = putOutcome(await adapter.put(request));
    if (outcome !== 'lost') return { status: 'ok', detail: 'This page can write to the store.' };
    return {
      status: 'warning',
      detail: 'The bytes went out, and the store’s answer did not come back.',
      fix: 'Look for a proxy that cuts answers, or a CORS rule without this page.',
    };
  } catch (cause) {
    const error = asUploadError(parts, cause);
    const isReachable = await adapter.isStoreReachable?.(credential);
    const origin = globalThis.location?.origin ?? 'this page’s origin';
    const fix = storeFix(error, credential, isReachable, origin);
    return failed(`The store does not take a file: ${error.message}`, fix);
  }
}

async function finalize(
  parts: DiagnosisParts,
  { upload }: Probe,
  { assetId }: Credential,
): Promise<Finding> {
  const { adapter, signal } = parts;
  try {
    const answer = await adapter.finalize([{ ...upload, assetId }], signal);
    const [outcome] = finalizeOutcomes(answer, 1);
    if (outcome?.status === 'finalized') {
      const detail = `The server took the probe as an asset (${outcome.asset.id}): delete it.`;
      return { status: 'warning', detail };
    }
    const error =
      outcome?.error ?? new UploadError('unexpected_response', 'The server left it out.');
    if (error.kind === 'invalid' && error.action === 'permanent') {
      return { status: 'ok', detail: 'The server found the bytes, and refused them as no image.' };
    }
    const fix =
      error.code === 'not_uploaded'
        ? 'The server looks into another bucket or endpoint than the one it signs for.'
        : apiFix(error);
    return failed(`The server does not find what was stored: ${error.message}`, fix);
  } catch (cause) {
    const error = asUploadError(parts, cause);
    return failed(`The server does not finalize: ${error.message}`, apiFix(error));
  }
}

/** Listens until something arrives. */
function awaitEvents({ adapter, runtime }: DiagnosisParts): Promise<Finding> | Finding {
  const { watch } = adapter;
  if (!watch) return { status: 'skipped', detail: 'This adapter tells nothing of processing.' };
  return new Promise((resolve) => {
    let stop: (() => void) | undefined;
    const end = (finding: Finding) => {
      runtime.clearTimer(timer);
      // The answer may come before `watch` returned.
      void Promise.resolve().then(() => stop?.());
      resolve(finding);
    };
    const timer = runtime.setTimer(
      () =>
        end({
          status: 'warning',
          detail: `No event stream within ${EVENTS_WAIT_MS / 1_000} s.`,
          fix: 'Let the proxy pass `text/event-stream` on unbuffered (nginx: `proxy_buffering off`), without compression.',
        }),
      EVENTS_WAIT_MS,
    );
    stop = watch({
      onConnected: (how) =>
        end(
          how === 'stream'
            ? { status: 'ok', detail: 'The event stream is open.' }
            : {
                status: 'warning',
                detail:
                  'The event stream does not get through: progress is asked for every few seconds.',
                fix: 'Let the proxy pass `text/event-stream` on unbuffered (nginx: `proxy_buffering off`).',
              },
        ),
      onDisconnected() {},
      onStats() {},
      onChanges() {},
    });
  });
}

function failed(detail: string, fix: string | undefined): Finding {
  return { status: 'failed', detail, ...(fix === undefined ? {} : { fix }) };
}
