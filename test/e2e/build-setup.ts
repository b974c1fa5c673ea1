import { buildDemo } from './demo-server.ts';

/** Once for all of them: files that run at the same time must not build over each other. */
export default buildDemo;
