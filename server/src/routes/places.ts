import { ProblemError } from '../problem-error.ts';

/** What holds a place is on its way; soon one is free. */
const RETRY_SECONDS = 2;

/** Bodies that this process receives at once: one user who sends many of them slowly keeps nobody else out. */
export interface Places {
  /**
   * Does the work in a place of its own, free again when it ends.
   * @throws {ProblemError} `rate_limited`, with a wait, where the user has as many as one may, or all are taken:
   *   clients slow down then, and do not send the same bytes by another way
   */
  hold<T>(userId: string, work: () => Promise<T>): Promise<T>;
}

export function createPlaces({
  what,
  total,
  perUser,
}: {
  /** In the plural, for the refusal. */
  what: string;
  total: number;
  perUser: number;
}): Places {
  const byUser = new Map<string, number>();
  let taken = 0;

  const refuse = (whose: string): never => {
    const message = `Too many ${what}${whose} are being received. Please wait ${RETRY_SECONDS}s and try again`;
    throw new ProblemError('rate_limited', message, { retryAfterSeconds: RETRY_SECONDS });
  };

  return {
    async hold(userId, work) {
      const own = byUser.get(userId) ?? 0;
      if (own >= perUser) refuse(' of yours');
      if (taken >= total) refuse('');
      byUser.set(userId, own + 1);
      taken += 1;
      try {
        return await work();
      } finally {
        taken -= 1;
        const left = (byUser.get(userId) ?? 1) - 1;
        if (left > 0) byUser.set(userId, left);
        else byUser.delete(userId);
      }
    },
  };
}
