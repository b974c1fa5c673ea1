import path from 'node:path';
import { playwright } from '@vitest/browser-playwright';
import { compile } from 'svelte/compiler';
import { defineConfig } from 'vitest/config';
import { CHROMIUM_FLAGS, findChromium } from './scripts/chromium.mjs';
import { findFirefox } from './scripts/firefox.mjs';
import { findWebKit } from './scripts/webkit.mjs';
import { bringToFront } from './test/support/bring-to-front.ts';
import { webkitGtk } from './test/support/webkit/webkit-provider.ts';

// Tests run the sources of all packages, never what was built last.
const conditions = ['bulkhead-source'];
// Vite drops its own defaults where conditions are given.
const resolve = { conditions: [...conditions, 'module', 'browser', 'development|production'] };
const ssr = {
  resolve: {
    // Not `module`: what bundlers read, Node may not.
    conditions: [...conditions, 'node', 'development|production'],
    externalConditions: [...conditions, 'node'],
    // Linked packages would otherwise be left to Node, which knows no such condition.
    noExternal: ['bulkhead', '@bulkhead/server'],
  },
};

// Hundreds of processes load the same modules. Node looks whether they changed.
process.env.NODE_COMPILE_CACHE ??= path.join(
  import.meta.dirname,
  'node_modules/.cache/node-compile-cache',
);

const chromiumPath = findChromium();
const firefoxPath = findFirefox();

const chromium = () =>
  playwright({
    launchOptions: {
      args: CHROMIUM_FLAGS,
      ...(chromiumPath ? { executablePath: chromiumPath } : {}),
    },
  });

/** What browsers do differently: storage, locks, channels, workers, reads, requests, focus and keys. */
const IN_EVERY_BROWSER = [
  'test/browser/journal*.test.ts',
  'test/browser/session-*.test.ts',
  'test/browser/hash-*.test.ts',
  'test/browser/xhr-put.test.ts',
  'test/browser/adapter-*.test.ts',
  'test/browser/engine-support.test.ts',
  'test/browser/element-*.test.ts',
  'test/browser/packs.test.ts',
  'test/browser/diagnosis.test.ts',
];

/** How long a condition may take to come true on a busy machine. No test that passes waits for it. */
const PATIENCE = { expect: { poll: { timeout: 20_000 } } };

const BROWSER_SETUP = ['examples/testing/fault-server-setup.ts', 'test/support/lab.ts'];

/** By the Chrome DevTools Protocol. */
const IN_CHROMIUM_ONLY = ['test/browser/journal-quota.test.ts'];

/** The one Svelte component, of docs/frameworks.md. */
const svelte = {
  name: 'svelte',
  transform: (source: string, filename: string) =>
    filename.endsWith('.svelte') ? compile(source, { filename, generate: 'client' }).js : undefined,
};

/** Whatever depends on the database runs on each. */
const ON_BOTH_ENGINES = 'server/test/**/*.db.test.ts';

/**
 * What only several processes or connections can do: on the embedded database there is one. And what takes a
 * minute, and tells the same of either.
 */
const ON_POSTGRES = 'server/test/**/*.postgres.test.ts';

/** Whatever needs a real S3 server, which takes seconds to start. */
const ON_S3 = 'server/test/**/*.s3.test.ts';

function serverProject(engine: 'pglite' | 'postgres') {
  return {
    resolve,
    ssr,
    test: {
      ...PATIENCE,
      name: `server (${engine})`,
      testTimeout: 30_000,
      hookTimeout: 60_000,
      environment: 'node' as const,
      env: { BULKHEAD_TEST_ENGINE: engine },
      include: engine === 'postgres' ? [ON_BOTH_ENGINES, ON_POSTGRES] : [ON_BOTH_ENGINES],
      globalSetup: [
        'test/support/services.ts',
        ...(engine === 'pglite' ? ['test/support/template-folder.ts'] : []),
      ],
    },
  };
}

const react18 = (name: string) =>
  path.join(import.meta.dirname, 'test/react-18/node_modules', name);

/** The hooks with the oldest React that they take; what only React 19 has is tested with that. */
const react18Project = {
  resolve: { ...resolve, alias: { react: react18('react'), 'react-dom': react18('react-dom') } },
  optimizeDeps: { include: ['react', 'react-dom/client', 'react-dom/server'] },
  environments: { __vitest__: { resolve: { conditions: ssr.resolve.conditions } } },
  test: {
    ...PATIENCE,
    name: 'react 18',
    testTimeout: 30_000,
    include: [
      'test/react-18/version.test.ts',
      'test/browser/react-uploads.test.tsx',
      'test/browser/react-progress.test.tsx',
    ],
    globalSetup: BROWSER_SETUP,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: chromium(),
      instances: [{ browser: 'chromium' as const, name: 'react 18' }],
    },
  },
};

/** A project has one provider, and Playwright drives only a WebKit of its own. */
const webkitProject = {
  resolve,
  environments: { __vitest__: { resolve: { conditions: ssr.resolve.conditions } } },
  test: {
    ...PATIENCE,
    name: 'webkit',
    testTimeout: 30_000,
    include: IN_EVERY_BROWSER,
    exclude: IN_CHROMIUM_ONLY,
    globalSetup: BROWSER_SETUP,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: webkitGtk(),
      commands: { bringToFront },
      // No test mocks a module; else Vitest would let nothing run beside a provider that cannot intercept.
      importMapMocks: true,
      instances: [{ browser: 'webkitgtk' as const, name: 'webkit' }],
    },
  },
};

export default defineConfig({
  test: {
    // An embedded database takes 300 to 500 MB and most of a core while it starts.
    maxWorkers: 2,
    projects: [
      {
        resolve,
        ssr,
        test: {
          ...PATIENCE,
          name: 'unit',
          // Generous: an embedded database on a busy machine takes its time. No test waits for it.
          testTimeout: 30_000,
          hookTimeout: 60_000,
          environment: 'node',
          include: [
            'test/unit/**/*.test.{ts,tsx}',
            'test/scripts/**/*.test.ts',
            'server/test/**/*.test.ts',
          ],
          exclude: [ON_BOTH_ENGINES, ON_POSTGRES, ON_S3],
          globalSetup: ['test/support/services.ts', 'test/support/template-folder.ts'],
        },
      },
      serverProject('pglite'),
      serverProject('postgres'),
      {
        resolve,
        ssr,
        test: {
          ...PATIENCE,
          name: 's3',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          environment: 'node',
          include: [ON_S3],
          globalSetup: ['test/support/s3-service.ts', 'test/support/template-folder.ts'],
        },
      },
      {
        resolve,
        plugins: [svelte],
        // What a component is compiled to imports: found amid a run, it would reload the page.
        optimizeDeps: { include: ['svelte/internal/client', 'svelte/internal/disclose-version'] },
        // Where the setup of browser tests runs: it has conditions of its own.
        environments: { __vitest__: { resolve: { conditions: ssr.resolve.conditions } } },
        test: {
          ...PATIENCE,
          name: 'browser',
          testTimeout: 30_000,
          include: ['test/browser/**/*.test.{ts,tsx}', 'examples/testing/*.test.ts'],
          globalSetup: BROWSER_SETUP,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            commands: { bringToFront },
            provider: chromium(),
            instances: [
              { browser: 'chromium' },
              {
                browser: 'firefox',
                include: IN_EVERY_BROWSER,
                exclude: IN_CHROMIUM_ONLY,
                provider: playwright({
                  launchOptions: {
                    channel: 'moz-firefox',
                    ...(firefoxPath ? { executablePath: firefoxPath } : {}),
                  },
                }),
              },
            ],
          },
        },
      },
      react18Project,
      // Where there is no WebKitGTK, setup and `npm test` say that this project is left out.
      ...(findWebKit() ? [webkitProject] : []),
      {
        resolve,
        ssr,
        test: {
          ...PATIENCE,
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          globalSetup: ['test/e2e/build-setup.ts', 'test/support/template-folder.ts'],
          // After the others, which would take the processor from browsers that are killed and timed.
          sequence: { groupOrder: 1 },
          // Each has a browser, and two files run at a time.
          maxConcurrency: 3,
        },
      },
    ],
  },
});
