/**
 * What `npm run example` can run: for each example its processes, and addresses that answer when they are ready.
 * `ports.page` is where the person looks; `dir` is for whatever is kept.
 */
import path from 'node:path';

const node = process.execPath;

/** The server kit on its embedded parts, as `npx bulkhead-server serve` in the example's folder. */
function kit({ root, dir, ports }, example, env = {}) {
  return {
    command: node,
    args: [path.join(root, 'server/dist/cli/bulkhead-server.js'), 'serve'],
    cwd: path.join(root, 'examples', example),
    env: {
      PORT: String(ports.api),
      STORE_PORT: String(ports.store),
      BULKHEAD_DIR: dir,
      LOG_LEVEL: 'warn',
      ...env,
    },
    ready: [`http://localhost:${ports.api}/readyz`],
  };
}

/** Vite's dev server in the example's folder. */
function vite({ root, ports }, example, env = {}) {
  return {
    command: node,
    args: [
      path.join(root, 'node_modules/vite/bin/vite.js'),
      ...['--port', String(ports.page), '--strictPort', '--clearScreen', 'false'],
    ],
    cwd: path.join(root, 'examples', example),
    env,
  };
}

const host = (root, name) => path.join(root, 'scripts/example-hosts', `${name}.ts`);

export const EXAMPLES = {
  'getting-started': {
    about: 'the page and server of docs/getting-started.md',
    // What the page names.
    apiPort: 3000,
    processes: (world) => [
      kit(world, 'getting-started', { PAGE_ORIGIN: `http://localhost:${world.ports.page}` }),
      vite(world, 'getting-started'),
    ],
  },
  'script-tag': {
    about: 'a page without a bundler, under a strict content security policy',
    processes: ({ root, dir, ports }) => [
      {
        command: node,
        args: [host(root, 'script-tag')],
        env: {
          PORT: String(ports.page),
          API_PORT: String(ports.api),
          STORE_PORT: String(ports.store),
          BULKHEAD_DIR: dir,
        },
      },
    ],
  },
  'vite-react': {
    about: 'Vite and React with the hooks of bulkhead/react',
    processes: (world) => [
      kit(world, 'vite-react'),
      vite(world, 'vite-react', { API_URL: `http://localhost:${world.ports.api}` }),
    ],
  },
  nextjs: {
    about: 'the kit in Next.js: app router, rollout flag, crons in place of workers',
    install: 'next',
    processes: ({ root, dir, ports }) => [
      {
        command: node,
        args: ['node_modules/next/dist/bin/next', 'dev', '--port', String(ports.page)],
        cwd: path.join(root, 'examples/nextjs'),
        env: { STORE_PORT: String(ports.store), BULKHEAD_DIR: dir, NEXT_TELEMETRY_DISABLED: '1' },
      },
    ],
  },
  express: {
    about: 'a backend of your own in Express, with defineAdapter in the page',
    processes: ({ root, dir, ports }) => [
      {
        command: node,
        args: ['server.ts'],
        cwd: path.join(root, 'examples/express'),
        env: { PORT: String(ports.page), UPLOADS_DIR: path.join(dir, 'uploads') },
      },
    ],
  },
  'fetch-handler': {
    about: 'a Cloudflare-style Worker that signs PUTs to S3',
    note: (env) => (env.S3_ENDPOINT ? `bucket ${env.S3_BUCKET}` : 'a stand-in for S3, in memory'),
    processes: ({ root, ports }) => [
      {
        command: node,
        args: [host(root, 'fetch-handler')],
        env: { PORT: String(ports.page) },
      },
    ],
  },
};
