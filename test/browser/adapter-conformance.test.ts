import { describe, inject, it } from 'vitest';
import { describeBulkheadAdapter } from '../../src/testing/client.ts';
import { bulkheadAdapter } from '../../src/transports/bulkhead-adapter.ts';

describeBulkheadAdapter(
  'bulkhead',
  {
    serverUrl: inject('faultServerUrl'),
    create: ({ url, runtime }) => bulkheadAdapter({ baseUrl: url }, runtime),
  },
  { describe, it },
);
