import { ProblemError } from '../problem-error.ts';
import { type Authorize, identify } from '../routes/authorize.ts';

/** Asks whether a session still stands: `false` when it ended or is somebody else's by now. */
export type SessionCheck = () => Promise<boolean>;

/**
 * A stream outlives the request that opened it, and must not outlive its session: `authorize` is asked
 * again with the same address and headers. What it throws beside a refusal says nothing of the session,
 * and is thrown on.
 */
export function createSessionCheck(
  authorize: Authorize,
  request: Request,
  userId: string,
): SessionCheck {
  const { url } = request;
  // Not the request itself: that would keep its connection's buffers as long as the stream lives.
  const headers = [...request.headers];
  return async () => {
    try {
      const identity = await identify(authorize, new Request(url, { headers }));
      return identity.userId === userId;
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (error.code === 'unauthenticated' || error.code === 'forbidden_origin') return false;
      throw error;
    }
  };
}
