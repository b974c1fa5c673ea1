import { defineConfig } from '@bulkhead/server';

export default defineConfig({
  // The example has one user. Put your session here: the user's id, or null for who is not signed in.
  authorize: async () => 'me',
});
