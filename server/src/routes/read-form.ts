import { setImmediate as nextTurn } from 'node:timers/promises';
import { Busboy, type BusboyConfig, type BusboyInstance } from '@fastify/busboy';
import { BodyAbortedError, webBody } from '../blobs/request-body.ts';
import { ProblemError } from '../problem-error.ts';

/** RFC 2046, 5.1.1: a boundary has at most 70 characters. */
const MAX_BOUNDARY = 70;
/** A part has two or three headers; a name of 1,024 bytes, escaped, fits. */
const MAX_HEADER_PAIRS = 8;
const MAX_HEADER_BYTES = 8 * 1024;
/** Less than a stream's buffer (64 KiB), see `write`. */
const PIECE_BYTES = 16 * 1024;

/** One part of a `multipart/form-data` body. */
export interface FormPart {
  /** Of the field. */
  name: string;
  /** As the sender says; never part of a path or a header. */
  filename: string | undefined;
  mimeType: string;
  /**
   * Its bytes as they come. Whoever leaves them unread passes over them.
   * @throws {BodyAbortedError} when the body ends before the part does.
   */
  chunks(): AsyncGenerator<Uint8Array, void>;
}

export interface FormLimits {
  /** Of the whole body, boundaries and headers included. */
  maxBodyBytes: number;
  maxParts: number;
}

/**
 * Reads a form part by part, in the order it was sent. The body is read when somebody asks for more, and not
 * before: nothing is gathered but what one piece of the body brought.
 * @throws {ProblemError} `unsupported_media_type`; `body_too_large` and `batch_too_large` as soon as a limit is
 *   passed; `invalid_request` for what is no form.
 * @throws {BodyAbortedError} when the body ends before its last boundary.
 */
export async function* readForm(
  request: Request,
  { maxBodyBytes, maxParts }: FormLimits,
): AsyncGenerator<FormPart, void> {
  const tooLarge = () =>
    new ProblemError('body_too_large', `A body may have at most ${maxBodyBytes} bytes here`);
  if (Number(request.headers.get('content-length') ?? 0) > maxBodyBytes) throw tooLarge();
  const parser = new PullParser(parserOf(request, maxParts), maxParts);
  const source = webBody(request).chunks();
  let received = 0;

  /** Parses one more piece of the body. */
  const pull = async () => {
    const { done, value } = await source.next();
    if (done) return parser.end();
    received += value.byteLength;
    if (received > maxBodyBytes) throw tooLarge();
    await parser.write(value);
  };

  try {
    for (;;) {
      const part = parser.parts.shift();
      if (!part) {
        parser.refuse();
        if (parser.isEnded) return;
        await pull();
        continue;
      }
      const { name, filename, mimeType } = part;
      yield { name, filename, mimeType, chunks: () => readPart(part, parser, pull) };
      // What its reader left is passed over as it comes.
      part.isLeft = true;
      part.pending = [];
    }
  } finally {
    await source.return();
    parser.close();
  }
}

/** A part as far as it was parsed. */
interface OpenPart {
  name: string;
  filename: string | undefined;
  mimeType: string;
  pending: Uint8Array[];
  isEnded: boolean;
  /** Nobody reads on. */
  isLeft: boolean;
}

async function* readPart(part: OpenPart, parser: PullParser, pull: () => Promise<void>) {
  for (;;) {
    const chunk = part.pending.shift();
    if (chunk) {
      yield chunk;
      continue;
    }
    if (part.isEnded) return;
    parser.refuse();
    if (parser.isEnded) throw truncated();
    await pull();
  }
}

function parserOf(request: Request, maxParts: number): BusboyInstance {
  const contentType = request.headers.get('content-type') ?? '';
  const boundary = /^multipart\/form-data\s*;(?:.*;)?\s*boundary=("?)([^";]*)\1/i.exec(
    contentType,
  )?.[2];
  if (boundary === undefined || boundary === '') {
    throw new ProblemError('unsupported_media_type', 'Send multipart/form-data with its boundary');
  }
  if (boundary.length > MAX_BOUNDARY) {
    throw new ProblemError('invalid_request', `A boundary has at most ${MAX_BOUNDARY} characters`);
  }
  const options: BusboyConfig = {
    headers: { 'content-type': contentType },
    // Every part is a stream, whether it looks like a field or like a file.
    isPartAFile: () => true,
    preservePath: true,
    limits: {
      parts: maxParts,
      files: maxParts,
      headerPairs: MAX_HEADER_PAIRS,
      headerSize: MAX_HEADER_BYTES,
    },
  };
  try {
    return new Busboy(options);
  } catch (cause) {
    throw new ProblemError('invalid_request', 'The Content-Type cannot be read', { cause });
  }
}

/** Busboy's events, as a parser that is fed and asked. */
class PullParser {
  readonly parts: OpenPart[] = [];
  isEnded = false;
  readonly #busboy: BusboyInstance;
  #failure: unknown;
  #isBroken = false;
  #wake = () => {};

  constructor(busboy: BusboyInstance, maxParts: number) {
    this.#busboy = busboy;
    busboy.on('file', (name, stream, filename, _encoding, mimeType) => {
      const part: OpenPart = {
        name: name ?? '',
        filename: filename || undefined,
        mimeType,
        pending: [],
        isEnded: false,
        isLeft: false,
      };
      stream.on('data', (chunk: Uint8Array) => {
        if (!part.isLeft) part.pending.push(chunk);
      });
      // The parser ends a part that was cut off as well.
      stream.on('end', () => {
        part.isEnded = !this.#isBroken;
      });
      stream.on('error', (error) => this.#break(error));
      this.parts.push(part);
    });
    const tooMany = () =>
      this.#fail(new ProblemError('batch_too_large', `At most ${maxParts} parts are taken`));
    busboy.on('partsLimit', tooMany);
    busboy.on('filesLimit', tooMany);
    busboy.on('error', (error) => this.#break(error));
    busboy.on('finish', () => {
      this.isEnded = true;
      this.#wake();
    });
  }

  /** Resolves when all of it is in the parts. */
  async write(chunk: Uint8Array): Promise<void> {
    // A part that Busboy passes over takes no more than its buffer holds, and in one go it would wait for ever.
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#busboy.write(chunk.subarray(at, at + PIECE_BYTES), () => resolve());
      });
      // Streams tell of their end a moment later.
      await nextTurn();
    }
  }

  async end(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#busboy.end();
    });
    await nextTurn();
    this.isEnded = true;
  }

  /** @throws what made the body unreadable, once the parts before it were read. */
  refuse(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    if (failure instanceof ProblemError) throw failure;
    // Busboy knows no other failure: the last boundary did not come.
    throw truncated(failure);
  }

  close(): void {
    this.#busboy.destroy();
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#wake();
  }

  #break(error: unknown): void {
    this.#isBroken = true;
    this.#fail(error);
  }
}

function truncated(cause?: unknown): BodyAbortedError {
  return new BodyAbortedError('The body ended before its last boundary', { cause });
}
