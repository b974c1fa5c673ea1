import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { type PolicyKeys, type PolicyRefusal, type PostedForm, refusalOf } from './post-policy.ts';

export interface PostPolicyGateway {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Stands before an S3 server that takes no forms (OpenStack Swift): judges a form as S3 does, stores its file
 * in the real bucket, and passes everything else on under the same Host, so that signatures hold.
 */
export async function startPostPolicyGateway(
  target: string,
  client: S3Client,
  keys: PolicyKeys,
): Promise<PostPolicyGateway> {
  const { hostname, port } = new URL(target);

  const store = async (incoming: IncomingMessage): Promise<PolicyRefusal | undefined> => {
    const { fields, bytes } = await readForm(incoming);
    const refusal = refusalOf({ fields, bytes }, keys, Date.now());
    if (refusal) return refusal;
    const field = (name: string) => fields.find(([known]) => known.toLowerCase() === name)?.[1];
    const metadata = fields.flatMap(([name, value]) =>
      name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), value]] : [],
    );
    await client.send(
      new PutObjectCommand({
        ...{ Bucket: keys.bucket, Key: field('key'), Body: bytes },
        ContentType: field('content-type'),
        Metadata: Object.fromEntries(metadata),
      }),
    );
    return undefined;
  };

  const passOn = (incoming: IncomingMessage, outgoing: ServerResponse) => {
    const { method, url: path, headers } = incoming;
    const upstream = request({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    upstream.on('error', () => outgoing.destroy());
    outgoing.on('close', () => upstream.destroy());
    incoming.pipe(upstream);
  };

  const server = createServer((incoming, outgoing) => {
    const isForm = incoming.headers['content-type']?.startsWith('multipart/form-data');
    if (incoming.method !== 'POST' || !isForm) return passOn(incoming, outgoing);
    outgoing.setHeader('access-control-allow-origin', '*');
    store(incoming).then(
      (refusal) => {
        if (!refusal) return void outgoing.writeHead(204, { etag: '"stored"' }).end();
        const { status, code, message } = refusal;
        outgoing.writeHead(status, { 'content-type': 'application/xml' });
        outgoing.end(`<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
      },
      // The page went away amid its form, or the store is not there.
      () => outgoing.destroy(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** S3 reads no further than the file. */
async function readForm(incoming: IncomingMessage): Promise<PostedForm> {
  const headers = { 'content-type': incoming.headers['content-type'] ?? '' };
  const form = await new Response(await buffer(incoming), { headers }).formData();
  const fields: [string, string][] = [];
  for (const [name, value] of form) {
    if (typeof value !== 'string') {
      return { fields, bytes: new Uint8Array(await value.arrayBuffer()) };
    }
    fields.push([name, value]);
  }
  throw new Error('The form has no file');
}
