import type { Exchange } from './exchange.ts';
import { FormCounter } from './form-counter.ts';

const ETAG = { etag: '"00000000000000000000000000000000"' };

/** `PUT /bucket/<name>` */
export async function putObject(exchange: Exchange): Promise<void> {
  const name = decodeURIComponent(exchange.path.slice('/bucket/'.length));
  const sizeBytes = await exchange.drain();
  exchange.world.tally.stored(name, sizeBytes);
  exchange.answer(200, ETAG);
}

/** `POST /bucket`, by a policy: the key, and the file last. */
export async function postObject(exchange: Exchange): Promise<void> {
  let key = '';
  const counter = new FormCounter(exchange.headers['content-type'], (field) => {
    if (field.name === 'key') key = field.text;
    if (field.name === 'file') exchange.world.tally.stored(key, field.sizeBytes);
  });
  await exchange.consume((chunk) => counter.push(chunk));
  counter.end();
  exchange.answer(204, ETAG);
}
