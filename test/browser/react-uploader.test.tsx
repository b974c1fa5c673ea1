import { bulkheadAdapter, createUploader, type Uploader, type UploaderOptions } from 'bulkhead';
import { useUploader, useUploads } from 'bulkhead/react';
import { connectFaultServer } from 'bulkhead/testing/client';
import { Activity, Component, type ReactNode, Suspense, use, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { expect, inject, it } from 'vitest';
import { pause, photos } from '../support/fault-world.ts';
import { countingRuntime, openReactPage } from '../support/react-page.tsx';

async function setUp() {
  const server = await (await connectFaultServer(inject('faultServerUrl'))).spawn();
  const count = countingRuntime();
  const options: UploaderOptions = {
    adapter: bulkheadAdapter({ baseUrl: server.url }),
    runtime: count.runtime,
    storage: false,
  };
  return { server, options, ...count };
}

/** Shows how many are searchable, and hands its uploader out. */
function Uploads({
  source,
  onReady,
}: {
  source: UploaderOptions | Uploader;
  onReady?: (uploader: Uploader) => void;
}) {
  const uploader = useUploader(source);
  const searchable = useUploads(uploader, ({ snapshot }) => snapshot.searchable);
  useEffect(() => {
    onReady?.(uploader);
  }, [uploader, onReady]);
  return <output>{searchable}</output>;
}

it('StrictMode makes one uploader, which uploads, and which ends with its component', async () => {
  const { server, options, made, alive } = await setUp();
  const seen = new Set<Uploader>();
  const page = openReactPage(
    <Uploads source={options} onReady={(uploader) => seen.add(uploader)} />,
    {
      strict: true,
    },
  );
  await expect.poll(() => seen.size).toBe(1);
  // Longer than what was not kept may live.
  await pause(2_300);
  expect([made(), alive()]).toEqual([1, 1]);
  const [uploader] = seen;
  await uploader?.add(photos(5));
  await expect.poll(page.text).toBe('5');
  expect(await server.invariants({ uploads: [...(uploader?.uploads() ?? [])] })).toEqual([]);
  page.unmount();
  await expect.poll(alive).toBe(0);
  expect([...seen]).toHaveLength(1);
});

it('what is on its way is taken back when the component is unmounted', async () => {
  const { server, options } = await setUp();
  await server.plan([{ match: { route: 'put' }, at: 'body:1', do: 'hang' }]);
  const page = openReactPage(
    <Uploads source={options} onReady={(uploader) => void uploader.add(photos(3))} />,
  );
  const underWay = async () =>
    (await server.state()).requests.filter(
      ({ route, endedAtMs }) => route === 'put' && endedAtMs === null,
    ).length;
  await expect.poll(underWay).toBeGreaterThan(0);
  page.unmount();
  await expect.poll(underWay).toBe(0);
});

it('an uploader that was given outlives its component', async () => {
  const { options, alive } = await setUp();
  const uploader = createUploader(options);
  const page = openReactPage(<Uploads source={uploader} />, { strict: true });
  await expect.poll(page.text).toBe('0');
  page.unmount();
  await pause(50);
  expect(alive()).toBe(1);
  await uploader.add(photos(2));
  expect((await uploader.done()).searchable).toBe(2);
  uploader.destroy();
});

it('a component that goes over to a given uploader ends its own', async () => {
  const { options, made, alive } = await setUp();
  const given = createUploader(options);
  const page = openReactPage(<Uploads source={options} />);
  await expect.poll(made).toBe(2);
  page.show(<Uploads source={given} />);
  await expect.poll(alive).toBe(1);
  let own: Uploader | undefined;
  page.show(<Uploads source={options} onReady={(uploader) => (own = uploader)} />);
  await expect.poll(alive).toBe(2);
  await own?.add(photos(1));
  await expect.poll(page.text).toBe('1');
  given.destroy();
});

it('options of a later render change nothing', async () => {
  const { options, made } = await setUp();
  function Page() {
    const [renders, setRenders] = useState(1);
    useEffect(() => {
      if (renders < 5) setRenders(renders + 1);
    }, [renders]);
    return <Uploads source={{ ...options, concurrency: renders }} />;
  }
  openReactPage(<Page />);
  await pause(200);
  expect(made()).toBe(1);
});

it('what a suspended render made is ended, and the page works with what came after', async () => {
  const { options, made, alive } = await setUp();
  let settle = () => {};
  const ready = new Promise<void>((resolve) => (settle = resolve));
  function Late() {
    // A component that suspends before it was ever shown loses its state.
    const uploader = useUploader(options);
    use(ready);
    return <Uploads source={uploader} onReady={(shown) => void shown.add(photos(2))} />;
  }
  const page = openReactPage(
    <Suspense fallback="waiting">
      <Late />
    </Suspense>,
  );
  await expect.poll(page.text).toBe('waiting');
  await pause(2_300);
  expect(alive()).toBe(0);
  settle();
  await expect.poll(page.text).toBe('2');
  expect(made()).toBeGreaterThan(1);
  expect(alive()).toBe(1);
});

it('what an <Activity> hid has an uploader that works when it is shown again', async () => {
  const { options, alive } = await setUp();
  let uploader: Uploader | undefined;
  const onReady = (shown: Uploader) => (uploader = shown);
  const page = (mode: 'visible' | 'hidden') => (
    <Activity mode={mode}>
      <Uploads source={options} onReady={onReady} />
    </Activity>
  );
  const root = openReactPage(page('visible'));
  await expect.poll(() => uploader).toBeDefined();
  const first = uploader;
  root.show(page('hidden'));
  await expect.poll(alive).toBe(0);
  root.show(page('visible'));
  await expect.poll(() => uploader !== first).toBe(true);
  await uploader?.add(photos(1));
  await expect.poll(root.text).toBe('1');
  expect(alive()).toBe(1);
});

it('a wrong option is an error of the render, by its name', async () => {
  const { options } = await setUp();
  class Boundary extends Component<{ children: ReactNode }> {
    override state = { message: '' };
    static getDerivedStateFromError(error: Error) {
      return { message: error.message };
    }
    override render() {
      return this.state.message || this.props.children;
    }
  }
  const element = document.body.appendChild(document.createElement('main'));
  const root = createRoot(element, { onCaughtError: () => {} });
  root.render(
    <Boundary>
      <Uploads source={{ ...options, concurrency: 0 }} />
    </Boundary>,
  );
  await expect.poll(() => element.textContent).toContain('createUploader.concurrency');
  root.unmount();
  element.remove();
});
