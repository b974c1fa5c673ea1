import type { UploadErrorCode, UploadFailure } from './upload-error.ts';

/** What to tell the person, for codes where the bare message would not say what to do. */
const ADVICE: Partial<Record<UploadErrorCode, string>> = {
  network_failed: 'The connection failed. Check the network, then retry.',
  stalled: 'The upload stopped moving. Check the network, then retry.',
  intercepted:
    'Something between this page and the server answered in its place. Sign in to the network, then retry.',
  unexpected_response:
    'The server did not answer as expected. Its version may be another one: reload the page, then retry.',
  store_blocked:
    'This page may not write to the object store. Its CORS rules must allow this page, and no extension may block it.',
  store_misconfigured:
    'The object store refuses the server’s signatures. Check its keys, its region and both clocks.',
  file_unreadable:
    'The file can no longer be read: it was moved, renamed or deleted, or this page lost its permission. Add it again.',
  file_changed: 'The file changed while it was uploaded. Add it again to upload it as it is now.',
  checksum_mismatch:
    'The file changed while it was uploaded. Add it again to upload it as it is now.',
  size_mismatch: 'The file changed while it was uploaded. Add it again to upload it as it is now.',
  empty_file: 'The file is empty: there is nothing to upload.',
  not_an_image: 'This is not an image, whatever its name says.',
  svg_refused: 'SVG files are not taken, because they can carry scripts. Export it as PNG or JPEG.',
  undecodable: 'The image is damaged or cut off. Export or copy it again, then add the new file.',
  too_many_pixels:
    'The image has more pixels than the library takes. Make it smaller, then add it again.',
  decoder_crashed:
    'The image crashes the decoder, or takes too much time or memory. Export it again, then add the new file.',
  unauthenticated: 'You are signed out. Sign in again, then retry.',
  rate_limited: 'Too many uploads at once. Retry in a minute.',
  internal: 'The server failed. Retry in a moment.',
  unavailable: 'The server cannot answer right now. Retry in a moment.',
  not_uploaded: 'The bytes did not arrive in the store. Retry to send them again.',
  missing_blob: 'The store lost the file. Add it again to mend it.',
  max_retries_exceeded: 'The server tried several times and failed. Retry, or look at its log.',
  url_expired: 'The permission to upload ran out. Retry to get a new one.',
  url_invalid:
    'The store refused the upload. Retry; if it happens again, check the store’s settings.',
};

/** One sentence or two for the person: what was wrong and what to do. */
export function describeFailure(failure: Pick<UploadFailure, 'code' | 'message'>): string {
  return ADVICE[failure.code] ?? failure.message;
}
