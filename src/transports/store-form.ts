import type { Credential } from '../protocol/index.ts';

/** The largest form whose progress is not listened to. */
const UNWATCHED_BYTES = 1024 * 1024;

/**
 * Whether the browser is to send it without a question. A form without headers is what any page could send:
 * another origin is asked about it only when its progress is listened to. Of a small file there is none to
 * see, and the question costs about as much as the upload.
 */
export function goesUnwatched(
  { fields, headers }: Pick<Credential, 'fields' | 'headers'>,
  sizeBytes: number,
): boolean {
  return fields !== undefined && sizeBytes <= UNWATCHED_BYTES && Object.keys(headers).length === 0;
}

/** The form of a POST policy: S3 takes what comes before the file, and nothing after it. */
export function formOf(fields: Readonly<Record<string, string>>, body: Blob): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  // Under its own name: another one would make another Blob of it, which costs Chromium as much as a slice.
  form.append('file', body);
  return form;
}
