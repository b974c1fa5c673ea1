import { defineConfig } from '@bulkhead/server';

export default defineConfig({
  authorize: async () => 'me', // one user; later: the signed-in user's id, or null
});
