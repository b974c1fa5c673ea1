/** The configuration of each process of the cluster: whoever opens the demo page is a user. */
import { defineConfig } from '@bulkhead/server';
import { createVisitors } from '../../../examples/demo/visitor.ts';

const visitors = createVisitors(process.env.BULKHEAD_VISITOR_SECRET ?? '');

export default defineConfig({
  authorize: async (request) => visitors.identify(request),
});
