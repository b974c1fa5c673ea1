import { bulkhead } from '../../../lib/bulkhead';

/** A slice of work takes up to 51 s. */
export const maxDuration = 60;
export const dynamic = 'force-dynamic';

async function handler(request: Request): Promise<Response> {
  return (await bulkhead()).fetch(request);
}

export { handler as GET, handler as POST, handler as OPTIONS };
