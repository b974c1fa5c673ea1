const { createUploader, defineAdapter, describeFailure, UploadError } = Bulkhead;

const adapter = defineAdapter({
  name: 'express example',
  // The server compares what arrives with the checksum: files are not read a second time before they are sent.
  capabilities: { checksum: 'sha256' },
  async credentials(files, signal) {
    const response = await fetch('/api/sign', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(files),
      signal,
    });
    if (response.status === 401) throw new UploadError('unauthenticated', 'Sign in first.');
    if (!response.ok) throw new UploadError('internal', `The server answered ${response.status}.`);
    return (await response.json()).map((credential) => ({ status: 'granted', credential }));
  },
});
const uploader = createUploader({ adapter, restrictions: { allowedTypes: ['image/*'] } });

const status = document.getElementById('status');
document.getElementById('photos').onchange = ({ target }) => uploader.add(target.files);
uploader.subscribe(() => {
  const { uploaded, total, failed } = uploader.getSnapshot();
  status.textContent = `Uploaded ${uploaded} of ${total}${failed > 0 ? ` · ${failed} failed` : ''}`;
});
uploader.on('upload-failed', ({ id, failure }) => {
  const item = document.createElement('li');
  item.textContent = `${uploader.get(id).path}: ${describeFailure(failure)}`;
  document.getElementById('failures').append(item);
});
