import { BulkheadUploader } from './bulkhead-uploader.ts';
import { DropZone } from './parts/drop-zone.ts';
import { FailedFile } from './parts/failed-file.ts';
import { FailuresPanel } from './parts/failures-panel.ts';
import { NoticesBar } from './parts/notices-bar.ts';
import { ProgressPanel } from './parts/progress-panel.ts';
import { SessionRow } from './parts/session-row.ts';
import { SessionsPanel } from './parts/sessions-panel.ts';
import { StageBar } from './parts/stage-bar.ts';
import { UploadList } from './parts/upload-list.ts';
import { UploadRow } from './parts/upload-row.ts';

/** Parts first: the element renders them as soon as it is defined. */
const TAGS: Readonly<Record<string, CustomElementConstructor>> = {
  'bulkhead-uploader-zone': DropZone,
  'bulkhead-uploader-notices': NoticesBar,
  'bulkhead-uploader-sessions': SessionsPanel,
  'bulkhead-uploader-session': SessionRow,
  'bulkhead-uploader-progress': ProgressPanel,
  'bulkhead-uploader-stage': StageBar,
  'bulkhead-uploader-failures': FailuresPanel,
  'bulkhead-uploader-failed-file': FailedFile,
  'bulkhead-uploader-list': UploadList,
  'bulkhead-uploader-row': UploadRow,
  'bulkhead-uploader': BulkheadUploader,
};

/** Defines the element and its parts, once: a second copy of this package leaves the first one's alone. */
export function registerElement(): void {
  if (customElements.get('bulkhead-uploader') !== undefined) return;
  for (const [tag, element] of Object.entries(TAGS)) customElements.define(tag, element);
}
