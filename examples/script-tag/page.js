const server = 'http://localhost:3000';
const uploader = Bulkhead.createUploader({
  adapter: Bulkhead.bulkheadAdapter({ baseUrl: server, credentials: 'include' }),
});
const status = document.getElementById('status');

document.getElementById('photos').onchange = ({ target }) => uploader.add(target.files);
uploader.subscribe(() => {
  const { uploaded, processed, searchable, failed, total } = uploader.getSnapshot();
  const stages = `Uploaded ${uploaded} · processed ${processed} · searchable ${searchable} of ${total}`;
  status.textContent = failed > 0 ? `${stages} · ${failed} failed` : stages;
});
uploader.on('upload-failed', ({ id, failure }) => {
  console.warn(uploader.get(id).path, Bulkhead.describeFailure(failure));
});
