import type { Upload, UploadStatus } from '../../core/upload-state.ts';
import type { Uploader } from '../../core/uploader.ts';
import { RankIndex } from './rank-index.ts';

/** What the list can be narrowed to. */
export const ROW_FILTERS = ['all', 'active', 'done', 'failed'] as const;
/** What the list can be narrowed to: `all`, `active`, `done` or `failed`. */
export type RowFilter = (typeof ROW_FILTERS)[number];

/** Reading the rows of an uploader that was busy before gives way to the page after so long. */
const SLICE_MS = 8;
/** Rows read between two looks at the clock. */
const ROWS_A_LOOK = 256;

type Group = Exclude<RowFilter, 'all'>;

const FILTER_OF: Readonly<Record<UploadStatus, Group | undefined>> = {
  detached: 'active',
  queued: 'active',
  hashing: 'active',
  hashed: 'active',
  requesting: 'active',
  ready: 'active',
  uploading: 'active',
  'put-unknown': 'active',
  uploaded: 'active',
  finalizing: 'active',
  processing: 'active',
  embedding: 'active',
  searchable: 'done',
  duplicate: 'done',
  'processing-failed': 'failed',
  rejected: 'failed',
  dead: 'failed',
  // Neither done nor failed: a person did not want it.
  cancelled: undefined,
};

/** What the book reads of an uploader. */
export type RowSource = Pick<Uploader, 'uploads' | 'on'>;

/**
 * The rows of an uploader in the order they were added, for each filter: any of them by its place, and
 * the place of any, in O(log n). Follows the uploader's events; no list is ever made of all rows.
 */
export class RowBook {
  readonly #ids: string[] = [];
  readonly #places = new Map<string, number>();
  readonly #filters: Record<RowFilter, RankIndex> = {
    all: new RankIndex(),
    active: new RankIndex(),
    done: new RankIndex(),
    failed: new RankIndex(),
  };
  readonly #unsubscribes: (() => void)[];
  #isReading = false;
  #isDisposed = false;

  /** @param onRead called while rows that were there before are read in, and when all are */
  constructor(source: RowSource, onRead: () => void = () => {}) {
    this.#unsubscribes = [
      source.on('upload-added', ({ upload }) => {
        // While older rows are read in, the reading comes to this one in its order.
        if (this.#isReading) return;
        this.#put(upload);
      }),
      source.on('upload-changed', ({ upload, previous }) => {
        const place = this.#places.get(upload.id);
        if (place !== undefined) this.#move(place, FILTER_OF[previous], FILTER_OF[upload.status]);
      }),
      source.on('upload-removed', ({ upload }) => this.#remove(upload)),
    ];
    this.#read(source.uploads(), onRead);
  }

  count(filter: RowFilter): number {
    return this.#filters[filter].size;
  }

  /** The upload at `index` of a filter, by its id. */
  at(filter: RowFilter, index: number): string | undefined {
    const place = this.#filters[filter].at(index);
    return place === undefined ? undefined : this.#ids[place];
  }

  /** Where an upload stands in a filter; -1 when it is not in it. */
  indexOf(filter: RowFilter, id: string): number {
    const place = this.#places.get(id);
    const members = this.#filters[filter];
    return place === undefined || !members.has(place) ? -1 : members.rankOf(place);
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const unsubscribe of this.#unsubscribes) unsubscribe();
  }

  /** In slices: 100,000 rows take longer than a page may stand still. */
  #read(rows: Iterator<Upload>, onRead: () => void): void {
    this.#isReading = true;
    const endMs = performance.now() + SLICE_MS;
    do {
      for (let read = 0; read < ROWS_A_LOOK; read += 1) {
        const { done, value } = rows.next();
        if (done) {
          this.#isReading = false;
          onRead();
          return;
        }
        this.#put(value);
      }
    } while (performance.now() < endMs);
    onRead();
    setTimeout(() => {
      if (!this.#isDisposed) this.#read(rows, onRead);
    });
  }

  #put(upload: Upload): void {
    if (this.#places.has(upload.id)) return;
    const place = this.#ids.push(upload.id) - 1;
    this.#places.set(upload.id, place);
    this.#filters.all.add(place);
    this.#move(place, undefined, FILTER_OF[upload.status]);
  }

  #move(place: number, from: Group | undefined, to: Group | undefined): void {
    if (from === to) return;
    if (from !== undefined) this.#filters[from].delete(place);
    if (to !== undefined) this.#filters[to].add(place);
  }

  #remove({ id, status }: Upload): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#filters.all.delete(place);
    this.#move(place, FILTER_OF[status], undefined);
    // Its place stays empty; only the words for it go.
    this.#ids[place] = '';
  }
}
