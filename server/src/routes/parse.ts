import { MAX_BATCH_FILES } from 'bulkhead/protocol';
import { en } from 'zod/locales';
import type * as z from 'zod/mini';
import { ProblemError } from '../problem-error.ts';

// The wire's schemas are zod/mini's, which has no messages of its own.
const { localeError } = en();
const MAX_ISSUES = 5;

/** @throws {ProblemError} `invalid_request`, which names every path that does not fit. */
export function parse<T extends z.ZodMiniType>(schema: T, input: unknown): z.infer<T> {
  const result = schema.safeParse(input, { error: localeError });
  if (result.success) return result.data;
  throw new ProblemError('invalid_request', describeIssues(result.error.issues, input));
}

/** A batch that is too long is told so, rather than that its schema does not fit. */
export function refuseLongBatch(input: unknown, name: 'files' | 'uploads' | 'ids'): void {
  const list = typeof input === 'object' && input !== null ? Reflect.get(input, name) : undefined;
  if (!Array.isArray(list) || list.length <= MAX_BATCH_FILES) return;
  throw new ProblemError(
    'batch_too_large',
    `${name}: ${list.length} in one request; at most ${MAX_BATCH_FILES} are taken`,
  );
}

function describeIssues(issues: readonly z.core.$ZodIssue[], input: unknown): string {
  const flat = issues.flatMap((issue) =>
    issue.code === 'invalid_union' ? closestBranch(issue, input) : [issue],
  );
  const sentences = flat
    .slice(0, MAX_ISSUES)
    .map((issue) => (issue.path.length ? `${pathOf(issue)}: ${issue.message}` : issue.message));
  const more = flat.length - MAX_ISSUES;
  return sentences.join('; ') + (more > 0 ? `; and ${more} more` : '');
}

/** Of a union, the branch that complains of no unknown key is the one that was meant. */
function closestBranch(issue: z.core.$ZodIssueInvalidUnion, input: unknown) {
  if (typeof input !== 'object' || input === null) return [issue];
  const meant = issue.errors.find((branch) =>
    branch.every((inner) => inner.code !== 'unrecognized_keys' || inner.path.length > 0),
  );
  return meant ?? issue.errors[0] ?? [issue];
}

function pathOf(issue: z.core.$ZodIssue): string {
  return issue.path.reduce<string>((path, part) => {
    if (typeof part === 'number') return `${path}[${part}]`;
    return path === '' ? String(part) : `${path}.${String(part)}`;
  }, '');
}
