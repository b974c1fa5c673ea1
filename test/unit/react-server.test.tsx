import { renderToString } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { bulkheadAdapter } from '../../src/index.ts';
import {
  UploaderProvider,
  useProcessingProgress,
  useUploader,
  useUploads,
} from '../../src/react/index.ts';
import { shallowEqual } from '../../src/react/shallow-equal.ts';
import { createWorld, textFiles } from '../support/uploader-world.ts';

describe('on a server', () => {
  it('a page begins without uploads, whatever the uploader has', async () => {
    const world = createWorld();
    await world.uploader.add(textFiles(3));
    await world.finish();
    function Page() {
      const uploader = useUploader(world.uploader);
      const names = useUploads(uploader).map(({ name }) => name);
      const total = useUploads(uploader, ({ snapshot }) => snapshot.total);
      const { searchable, isDone } = useProcessingProgress(uploader);
      return `${names.length} ${total} ${searchable.done}/${searchable.total} ${isDone}`;
    }
    expect(renderToString(<Page />)).toBe('0 0 0/0 false');
    expect(world.uploader.getSnapshot().total).toBe(3);
  });

  it('an uploader that a component makes does nothing and leaves nothing behind', async () => {
    const before = process.getActiveResourcesInfo().length;
    const add = async () => {
      let adding: Promise<{ added: number }> | undefined;
      function Page() {
        const uploader = useUploader({
          adapter: bulkheadAdapter({ baseUrl: 'http://nowhere.test' }),
        });
        adding = uploader.add([new File(['x'], 'x.jpg', { type: 'image/jpeg' })]);
        return useUploads(uploader, ({ snapshot }) => snapshot.state);
      }
      expect(renderToString(<Page />)).toBe('idle');
      return adding;
    };
    expect(await add()).toMatchObject({ added: 0 });
    expect(process.getActiveResourcesInfo().length).toBeLessThanOrEqual(before);
  });

  it('a hook without an uploader says so', () => {
    function Lost() {
      useProcessingProgress();
      return null;
    }
    expect(() => renderToString(<Lost />)).toThrow('<UploaderProvider>');
    const { uploader } = createWorld();
    const found = (
      <UploaderProvider uploader={uploader}>
        <Lost />
      </UploaderProvider>
    );
    expect(renderToString(found)).toBe('');
  });
});

describe('shallowEqual', () => {
  it.each([
    [1, 1, true],
    [Number.NaN, Number.NaN, true],
    [0, -0, false],
    [[1, 2], [1, 2], true],
    [[1, 2], [1, 3], false],
    [[1], [1, undefined], false],
    [{ a: 1 }, { a: 1 }, true],
    [{ a: 1 }, { b: 1 }, false],
    [{ a: undefined }, {}, false],
    [{ a: {} }, { a: {} }, false],
    [[], {}, false],
    [null, {}, false],
    [new Date(0), new Date(0), false],
  ])('%j and %j: %s', (one, other, isEqual) => expect(shallowEqual(one, other)).toBe(isEqual));
});
