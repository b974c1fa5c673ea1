import type { Context, Env, Hono } from 'hono';
import type { ChangeHub } from '../events/change-hub.ts';
import type { EventSink, SinkHandlers } from '../events/event-sink.ts';
import { createEventStream } from '../events/event-stream.ts';
import { createSessionCheck } from '../events/session-check.ts';
import { ProblemError } from '../problem-error.ts';
import { type Authorize, type Identity, identify, refuseForeignOrigin } from './authorize.ts';

export const SSE_PATH = '/api/sse/processing-updates';
export const WEB_SOCKET_PATH = '/api/ws/processing-updates';

/** What browsers are told to wait before they connect again. */
const RETRY_MS = 2000;
/** After a restart each stream comes back at a moment of its own within this. */
const RESTART_SPREAD_MS = 4000;

/**
 * Opens a stream for whoever asks, over whatever carries it. A page of another site is refused, because a
 * browser sends cookies with a WebSocket and asks nobody.
 * @throws {ProblemError} `forbidden_origin`, `unauthenticated`, and what `ChangeHub.open` throws
 */
export type ConnectEvents = <T extends EventSink>(
  request: Request,
  create: (handlers: SinkHandlers, identity: Identity) => T,
) => Promise<T>;

export interface ConnectEventsParts {
  hub: ChangeHub;
  authorize: Authorize;
  allowedOrigins: readonly string[];
}

export function createConnectEvents(parts: ConnectEventsParts): ConnectEvents {
  const { hub, authorize, allowedOrigins } = parts;
  return async (request, create) => {
    refuseForeignOrigin(request, allowedOrigins);
    const identity = await identify(authorize, request);
    const { userId } = identity;
    return hub.open(
      {
        userId,
        lastEventId: lastEventIdOf(request),
        isSessionValid: createSessionCheck(authorize, request, userId),
      },
      (handlers) => create(handlers, identity),
    );
  };
}

/**
 * The header, which a browser sends by itself when it comes back; before that, and for readers that can
 * set none, the query.
 */
function lastEventIdOf(request: Request): number | undefined {
  const header = request.headers.get('last-event-id');
  const text = header ?? new URL(request.url).searchParams.get('lastEventId') ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

export interface EventRouteParts<E extends Env> {
  path: (route: string) => string;
  /** Finds out whose request it is, or refuses it. */
  guard: (c: Context<E>) => Promise<string>;
  hub: ChangeHub;
  authorize: Authorize;
  /** Default `Math.random`. */
  random?: () => number;
}

export function mountEvents<E extends Env>(app: Hono<E>, parts: EventRouteParts<E>): void {
  const { path, guard, hub, authorize, random = Math.random } = parts;

  app.get(path(SSE_PATH), async (c) => {
    const userId = await guard(c);
    const { raw } = c.req;
    const headers = {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-cache, no-transform',
      // nginx would hold events back to fill its buffer.
      'X-Accel-Buffering': 'no',
    };
    // Hono answers HEAD by this handler and drops the body: a stream opened for it would never end.
    if (raw.method === 'HEAD') return new Response(null, { headers });
    const restartRetryMs = () => RETRY_MS + random() * RESTART_SPREAD_MS;
    const stream = await hub.open(
      {
        userId,
        lastEventId: lastEventIdOf(raw),
        isSessionValid: createSessionCheck(authorize, raw, userId),
      },
      (handlers) => createEventStream({ retryMs: RETRY_MS, restartRetryMs }, handlers),
    );
    return new Response(stream.body, { headers });
  });

  app.get(path(WEB_SOCKET_PATH), async (c) => {
    await guard(c);
    throw new ProblemError('invalid_request', 'Open this address as a WebSocket');
  });
}
