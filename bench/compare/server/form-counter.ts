/** One field of a form as it came: small ones with their text, files with their length. */
export interface FormField {
  readonly name: string;
  /** Absent: not a file. */
  readonly filename: string | undefined;
  readonly sizeBytes: number;
  /** Of fields that are no files. */
  readonly text: string;
}

const BREAK = '\r\n';
const HEADERS_END = Buffer.from(`${BREAK}${BREAK}`);
/** More than any browser writes before a part's bytes. */
const MAX_HEADER_BYTES = 16 * 1024;

/** The body is not a form as browsers write them (RFC 7578). */
export class FormError extends Error {
  override readonly name = 'FormError';
}

/**
 * Counts the fields of a `multipart/form-data` body while it comes in, without keeping the files. Feed it
 * chunks, then ask for {@link end}.
 */
export class FormCounter {
  readonly #delimiter: Buffer;
  readonly #onField: (field: FormField) => void;
  /** What was received and not yet told apart. A body begins as if a line break came before it. */
  #pending: Buffer = Buffer.from(BREAK);
  #state: 'preamble' | 'headers' | 'content' | 'ended' = 'preamble';
  #name = '';
  #filename: string | undefined;
  #sizeBytes = 0;
  #text: Buffer[] = [];

  /**
   * @param contentType the request's header, which names the boundary
   * @throws FormError when it is not a form's
   */
  constructor(contentType: string | undefined, onField: (field: FormField) => void) {
    const boundary = /^multipart\/form-data;.*boundary="?([^";]+)"?/.exec(contentType ?? '')?.[1];
    if (boundary === undefined) throw new FormError(`"${contentType}" is no form`);
    this.#delimiter = Buffer.from(`${BREAK}--${boundary}`);
    this.#onField = onField;
  }

  push(chunk: Buffer): void {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    while (this.#step()) {
      // Until nothing more can be told.
    }
  }

  /** @throws FormError when the last boundary did not come */
  end(): void {
    if (this.#state !== 'ended') throw new FormError('The form ended before its last boundary');
  }

  #step(): boolean {
    switch (this.#state) {
      case 'preamble':
      case 'content':
        return this.#takeContent();
      case 'headers':
        return this.#takeHeaders();
      case 'ended':
        return false;
    }
  }

  #takeContent(): boolean {
    const at = this.#pending.indexOf(this.#delimiter);
    if (at < 0) {
      // The delimiter's beginning may be at the end.
      const safe = this.#pending.length - this.#delimiter.length + 1;
      if (safe > 0) this.#took(this.#pending.subarray(0, safe), safe);
      return false;
    }
    const after = at + this.#delimiter.length;
    if (this.#pending.length < after + 2) return false;
    this.#took(this.#pending.subarray(0, at), after + 2);
    if (this.#state === 'content') this.#told();
    const isLast = this.#pendingBefore === '--';
    this.#state = isLast ? 'ended' : 'headers';
    return !isLast;
  }

  /** The two characters after the last delimiter. */
  #pendingBefore = '';

  #took(content: Buffer, length: number): void {
    if (this.#state === 'content') {
      this.#sizeBytes += content.length;
      if (this.#filename === undefined) this.#text.push(Buffer.from(content));
    }
    this.#pendingBefore = this.#pending.toString('latin1', length - 2, length);
    this.#pending = this.#pending.subarray(length);
  }

  #takeHeaders(): boolean {
    const at = this.#pending.indexOf(HEADERS_END);
    if (at < 0) {
      if (this.#pending.length > MAX_HEADER_BYTES) throw new FormError('A part has no content');
      return false;
    }
    const headers = this.#pending.toString('utf8', 0, at);
    this.#name = /\bname="([^"]*)"/.exec(headers)?.[1] ?? '';
    this.#filename = /\bfilename="([^"]*)"/.exec(headers)?.[1];
    this.#pending = this.#pending.subarray(at + HEADERS_END.length);
    this.#sizeBytes = 0;
    this.#text = [];
    this.#state = 'content';
    return true;
  }

  #told(): void {
    const text = Buffer.concat(this.#text).toString('utf8');
    this.#onField({
      ...{ name: this.#name, filename: this.#filename },
      ...{ sizeBytes: this.#sizeBytes, text },
    });
  }
}
