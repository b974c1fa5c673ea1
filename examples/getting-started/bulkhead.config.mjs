import { defineConfig } from '@bulkhead/server';

export default defineConfig({
  authorize: async () => 'me', // one user; later: the signed-in user's id, or null
  allowedOrigins: [process.env.PAGE_ORIGIN ?? 'http://localhost:5173'], // where the page comes from
});
