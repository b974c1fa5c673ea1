import type { Hono } from 'hono';

/** Checks and answers one provider's calls; throws `ProblemError`. */
export type Webhook = (request: Request) => Promise<Response>;

/**
 * `POST /api/webhooks/<provider>`: calls by providers, which have no user and no cookie. Each webhook
 * checks the signature itself.
 */
export function mountWebhooks(
  // biome-ignore lint/suspicious/noExplicitAny: routes look at no variable of the app
  app: Hono<any>,
  parts: { path: (route: string) => string; webhooks: Readonly<Record<string, Webhook>> },
): void {
  for (const [provider, webhook] of Object.entries(parts.webhooks)) {
    app.post(parts.path(`/api/webhooks/${provider}`), (c) => webhook(c.req.raw));
  }
}
