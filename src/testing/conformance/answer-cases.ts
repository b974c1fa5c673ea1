import type { FailureAction, UploadErrorCode } from '../../errors/upload-error.ts';
import type { FaultAction, FaultRoute, FaultRule } from '../fault-rules.ts';
import type { CaseTable, World } from './bulkhead-world.ts';
import { expectEqual, expectThat, rejectionOf } from './expectations.ts';

interface Meaning {
  readonly action: FailureAction;
  readonly code?: UploadErrorCode;
}

const html = (status: number): FaultAction => ({
  status,
  headers: { 'content-type': 'text/html' },
  body: '<h1>Something in between</h1>',
});

/** Answers to a PUT, and what they mean. */
const PUT_ANSWERS: readonly (readonly [string, FaultAction, Meaning])[] = [
  ['400', { status: 400 }, { action: 'permanent' }],
  ['401', { status: 401 }, { action: 'halt', code: 'unauthenticated' }],
  ['403', { status: 403 }, { action: 'refresh' }],
  ['403 in HTML', html(403), { action: 'refresh' }],
  ['408', { status: 408 }, { action: 'transient' }],
  ['412', { status: 412 }, { action: 'exists' }],
  ['429', { status: 429 }, { action: 'throttle', code: 'rate_limited' }],
  ['500', { status: 500 }, { action: 'transient' }],
  ['502 in HTML', html(502), { action: 'transient' }],
  ['503', { status: 503 }, { action: 'throttle' }],
  ['504 in HTML', html(504), { action: 'transient' }],
];

/** Answers of the API to a whole batch. */
const API_ANSWERS: readonly (readonly [string, FaultAction, Meaning])[] = [
  ['401', { status: 401, code: 'unauthenticated' }, { action: 'halt', code: 'unauthenticated' }],
  ['408', { status: 408 }, { action: 'transient' }],
  ['429', { status: 429, code: 'rate_limited' }, { action: 'throttle', code: 'rate_limited' }],
  ['500', { status: 500, code: 'internal' }, { action: 'transient' }],
  ['502 in HTML', html(502), { action: 'transient' }],
  ['503', { status: 503, code: 'unavailable' }, { action: 'throttle' }],
  ['a page of HTML', 'captive-portal', { action: 'transient' }],
  ['JSON of something else', { status: 200, body: '{"ok":true}' }, { action: 'transient' }],
  ['a redirect', { status: 302, headers: { location: '/login' } }, { action: 'transient' }],
  ['no answer', 'reset', { action: 'transient' }],
];

const API_CALLS = {
  credentials: async (world: World) => world.ask(await world.file()),
  finalize: async (world: World) => {
    const { request } = await world.file();
    const items = [{ ...request, assetId: crypto.randomUUID() }];
    return world.adapter.finalize(items, new AbortController().signal);
  },
};

async function refusedPut(world: World, rule: FaultRule) {
  const file = await world.file();
  const credential = await world.grant(file);
  await world.server.plan([rule]);
  return rejectionOf(world.put(credential, file).outcome, 'The PUT');
}

function expectMeaning(error: { action: string; code: string }, { action, code }: Meaning): void {
  expectEqual(error.action, action, 'What it means');
  if (code !== undefined) expectEqual(error.code, code, 'The code');
}

function putAnswerCases(): CaseTable {
  return Object.fromEntries(
    PUT_ANSWERS.map(([name, answer, meaning]) => [
      `a PUT answered with ${name} means ${meaning.action}`,
      async (world: World) => {
        expectMeaning(await refusedPut(world, { match: { route: 'put' }, do: answer }), meaning);
      },
    ]),
  );
}

/** What answers to a whole batch mean to one call of the API. */
export function apiAnswerCases(
  route: FaultRoute,
  call: (world: World) => Promise<unknown>,
): CaseTable {
  return Object.fromEntries(
    API_ANSWERS.map(([name, answer, meaning]) => [
      `${route} answered with ${name} means ${meaning.action}`,
      async (world: World) => {
        await world.server.plan([{ match: { route }, do: answer }]);
        expectMeaning(await rejectionOf(call(world), 'The call'), meaning);
      },
    ]),
  );
}

export const answerCases: CaseTable = {
  ...putAnswerCases(),
  ...apiAnswerCases('credentials', API_CALLS.credentials),
  ...apiAnswerCases('finalize', API_CALLS.finalize),

  'Retry-After in seconds is told': async (world) => {
    const answer = { status: 429, headers: { 'retry-after': '7' } };
    const error = await refusedPut(world, { match: { route: 'put' }, do: answer });
    expectEqual(error.retryAfterMs, 7_000, 'The wait of a PUT');
    await world.server.plan([{ match: { route: 'credentials' }, do: answer }]);
    const ofApi = await rejectionOf(API_CALLS.credentials(world), 'The call');
    expectEqual(ofApi.retryAfterMs, 7_000, 'The wait of credentials');
  },

  'Retry-After as a date is read against the answer’s own clock': async (world) => {
    await world.server.behave({
      clockSkewMs: -3 * 3_600_000,
      rateLimit: { requestsPerSecond: 0.1, burst: 1, routes: 'put', retryAfter: 'date' },
    });
    const [first, second] = await world.files(2);
    expectThat(first !== undefined && second !== undefined, 'Two files');
    await world.store(first);
    const { outcome } = world.put(await world.grant(second), second);
    const { retryAfterMs = 0 } = await rejectionOf(outcome, 'The second PUT');
    expectThat(
      retryAfterMs >= 8_000 && retryAfterMs <= 11_000,
      `A wait of about 10 s, got ${retryAfterMs} ms`,
    );
  },

  'no failure shows a signed URL': async (world) => {
    const failures = [
      await refusedPut(world, { match: { route: 'put' }, do: { status: 403 } }),
      await refusedPut(world, { match: { route: 'put' }, do: html(502) }),
      await refusedPut(world, { match: { route: 'put' }, at: 'headers', do: { status: 400 } }),
    ];
    for (const error of failures) {
      const causes: string[] = [];
      for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
        causes.push(cause.message, cause.stack ?? '');
      }
      const shown = `${JSON.stringify(error.toFailure())} ${causes.join(' ')}`;
      expectThat(!/signature=|expires=/i.test(shown), `A failure shows its URL: ${error.code}`);
    }
  },
};
