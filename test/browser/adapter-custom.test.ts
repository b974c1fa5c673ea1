import { describe, inject, it } from 'vitest';
import { myAdapter } from '../../examples/adapter/my-adapter.ts';
import { describeUploadAdapter } from '../../src/testing/client.ts';
import { openLab } from '../support/lab-client.ts';

const lab = await openLab(inject('labUrl'), 'custom');

describeUploadAdapter(
  'of the documentation’s custom backend',
  {
    create: () => myAdapter(lab.url),
    backend: async () => lab.asBackend(({ credential }) => credential.pathname),
    capabilities: { createOnly: true, checksum: true, verifiesAtFinalize: true },
  },
  { describe, it },
);
