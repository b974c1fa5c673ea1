import { getRequestListener } from '@hono/node-server';
import express from 'express';
import { createBackend } from './backend.ts';

const app = express();
// Before any body parser: the handler reads the bodies itself.
app.use(getRequestListener(createBackend('uploads')));
app.listen(Number(process.env.PORT ?? 3000));
