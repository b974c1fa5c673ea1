import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  optimizeDeps: {
    // As it is, so that the dev server finds the hash worker beside the package's own script …
    exclude: ['bulkhead'],
    // … and what it imports on demand at once: found late, it would reload the page amid uploads.
    include: ['bulkhead > hash-wasm', 'bulkhead > @noble/hashes/sha2.js', 'bulkhead > idb'],
  },
  server: {
    proxy: {
      // Page and API share an origin, as they will behind your proxy. Vite's short form would change the Host
      // header, and the kit would take the page for a stranger's (403, forbidden_origin).
      '/api': { target: process.env.API_URL ?? 'http://localhost:3000', changeOrigin: false },
    },
  },
});
