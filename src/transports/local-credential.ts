import type { Credential } from '../protocol/index.ts';
import type { CredentialRequest, CredentialResult } from './adapter.ts';

/** What needs no permit does not expire; one day keeps it from being asked for in every minute. */
const EXPIRES_IN_MS = 24 * 60 * 60_000;

export interface LocalCredential {
  readonly uploadUrl: string;
  readonly pathname: string;
  /** Default: the upload's id. */
  readonly assetId?: string;
}

/** A credential that no server was asked for: the backend is asked when the bytes are sent. */
export function grantLocally(
  upload: CredentialRequest,
  { uploadUrl, pathname, assetId = upload.id }: LocalCredential,
  epochNowMs: number,
): CredentialResult {
  const credential: Credential = {
    ...{ uploadUrl, assetId, pathname, method: 'PUT', headers: {} },
    expiresAt: new Date(epochNowMs + EXPIRES_IN_MS).toISOString(),
    expiresInMs: EXPIRES_IN_MS,
  };
  return { status: 'granted', credential };
}
