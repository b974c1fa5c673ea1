import * as z from 'zod';
import { ProblemError } from '../problem-error.ts';

/** Where a page ended: pages are ordered by creation, newest first, then by id. */
export interface PageCursor {
  createdAt: Date;
  id: string;
}

const cursorSchema = z.tuple([z.iso.datetime(), z.uuid()]);

export function encodeCursor({ createdAt, id }: PageCursor): string {
  return Buffer.from(JSON.stringify([createdAt.toISOString(), id])).toString('base64url');
}

/** @throws {ProblemError} `invalid_request` on anything that {@link encodeCursor} did not make. */
export function decodeCursor(text: string): PageCursor {
  try {
    const json: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    const [createdAt, id] = cursorSchema.parse(json);
    return { createdAt: new Date(createdAt), id };
  } catch (cause) {
    throw new ProblemError('invalid_request', 'cursor: pass nextCursor of the page before', {
      cause,
    });
  }
}
