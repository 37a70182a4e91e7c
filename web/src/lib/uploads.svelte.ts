import { Upload as TusUpload } from 'tus-js-client';
import { api, ask, asApiError, type Upload } from './api';
import { events } from './events.svelte';
import { text } from './text';

export type UploadState =
  | 'waiting'
  | 'uploading'
  | 'paused'
  | 'offline'
  | 'probing'
  | 'priced'
  | 'short'
  | 'done'
  | 'failed'
  | 'lost';

const kAtOnce = 3;
const kChunkBytes = 64 * 1024 * 1024;
const kRetryDelays = [500, 1000, 2000, 4000, 8000, 16_000, 30_000];

// A file on its way, or one that a reload cut off and whose file has to be chosen again.
export class OneUpload {
  readonly key = crypto.randomUUID();
  readonly name: string;
  readonly size: number;
  readonly dataset: string;
  id = $state('');
  file: File | null = null;
  confirm = false;
  state = $state<UploadState>('waiting');
  sent = $state(0);
  speed = $state(0); // bytes a second
  frames = $state(0);
  cost = $state(0);
  error = $state('');
  again = $state(false); // it failed, and may go on
  tus: TusUpload | null = null;
  private mark = { at: 0, sent: 0 };

  constructor(name: string, size: number, dataset: string) {
    this.name = name;
    this.size = size;
    this.dataset = dataset;
  }
  // Over the last seconds.
  measure(sent: number) {
    const now = performance.now();
    this.sent = sent;
    if (this.mark.at === 0 || sent < this.mark.sent) {
      this.mark = { at: now, sent };
    } else if (now - this.mark.at > 1000) {
      const speed = ((sent - this.mark.sent) * 1000) / (now - this.mark.at);
      this.speed = this.speed === 0 ? speed : 0.7 * this.speed + 0.3 * speed;
      this.mark = { at: now, sent };
    }
  }
  // Seconds.
  get left(): number | null {
    return this.speed > 0 ? (this.size - this.sent) / this.speed : null;
  }
}

class Uploads {
  list = $state<OneUpload[]>([]);

  constructor() {
    events.on('upload', (event) => {
      const one = event.upload && this.list.find((each) => each.id === event.upload!.id);
      if (one) {
        void this.look(one);
      }
    });
    // What was probed while nobody heard.
    events.on('reset', () => {
      for (const one of this.list) {
        if (one.state === 'probing') void this.look(one);
      }
    });
    addEventListener('beforeunload', (event) => {
      if (this.list.some((one) => one.state === 'uploading')) {
        event.preventDefault();
      }
    });
  }

  add(files: File[], dataset: string, confirm: boolean) {
    for (const file of files) {
      const name = (file.webkitRelativePath || file.name).slice(-255);
      const cut = this.list.find(
        (one) => one.dataset === dataset && one.state === 'lost' && one.name === name && one.size === file.size,
      );
      const one = cut ?? new OneUpload(name, file.size, dataset);
      one.file = file;
      one.confirm = confirm;
      one.state = 'waiting';
      if (!cut) {
        this.list.push(one);
      }
    }
    this.pump();
  }
  // What the server has that this page does not know of.
  async restore(dataset: string) {
    const page = await ask(api.GET('/api/v1/uploads', { params: { query: { limit: 200 } } }));
    for (const upload of page.items ?? []) {
      if (upload.dataset_id !== dataset || this.list.some((one) => one.id === upload.id)) {
        continue;
      }
      const one = new OneUpload(upload.name, upload.length, dataset);
      one.id = upload.id;
      this.list.push(one);
      this.show(this.list.at(-1)!, upload);
    }
  }
  pause(one: OneUpload) {
    void one.tus?.abort();
    one.state = 'paused';
    one.speed = 0;
    this.pump();
  }
  resume(one: OneUpload) {
    one.state = 'waiting';
    this.pump();
  }
  // Goes on with one that a reload cut off. False: it is another file.
  continueWith(one: OneUpload, file: File): boolean {
    if (file.size !== one.size) {
      return false;
    }
    one.file = file;
    this.resume(one);
    return true;
  }
  async cancel(one: OneUpload) {
    void one.tus?.abort();
    this.list = this.list.filter((each) => each.key !== one.key);
    if (one.id !== '') {
      await ask(
        api.DELETE('/api/v1/uploads/{id}', { params: { path: { id: one.id } } }),
      ).catch(() => {}); // it expires in a day
    }
    this.pump();
  }
  clear() {
    this.list = this.list.filter((one) => one.state !== 'done' && one.state !== 'failed');
  }
  // Of a user who has signed out. The server keeps what came, for a day.
  forget() {
    for (const one of this.list) {
      void one.tus?.abort();
    }
    this.list = [];
  }
  async pay(one: OneUpload) {
    one.state = 'probing';
    try {
      const upload = await ask(
        api.POST('/api/v1/uploads/{id}/accept', { params: { path: { id: one.id } } }),
      );
      this.show(one, upload);
    } catch (failure) {
      const error = asApiError(failure);
      one.error = error.message;
      await this.look(one);
    }
  }

  private pump() {
    let running = this.list.filter((one) => one.state === 'uploading' || one.state === 'offline');
    for (const one of this.list) {
      if (running.length >= kAtOnce) {
        return;
      }
      if (one.state === 'waiting' && one.file) {
        this.start(one, one.file);
        running = [...running, one];
      }
    }
  }
  private start(one: OneUpload, file: File) {
    one.state = 'uploading';
    one.error = '';
    one.again = false;
    const path = '/api/v1/uploads';
    const tus = new TusUpload(file, {
      endpoint: path,
      uploadUrl: one.id === '' ? undefined : `${path}/${one.id}`,
      chunkSize: kChunkBytes,
      retryDelays: kRetryDelays,
      // Where it goes on is the server's to tell (GET /uploads).
      storeFingerprintForResuming: false,
      metadata: {
        dataset_id: one.dataset,
        name: one.name,
        ...(one.confirm ? { confirm: 'true' } : {}),
      },
      onUploadUrlAvailable: () => {
        one.id = tus.url?.split('/').pop() ?? '';
      },
      onProgress: (sent) => {
        one.state = 'uploading';
        one.measure(sent);
      },
      // Where the offset cannot be told just now, the client would begin anew. Thrown here it counts as
      // no answer, and is asked again.
      onAfterResponse: (request, response) => {
        if (request.getMethod() === 'HEAD' && passing(response.getStatus())) {
          throw new Error(text.errors.status(response.getStatus()));
        }
      },
      onShouldRetry: (failure) => {
        const status = failure.originalResponse?.getStatus() ?? 0;
        const again = passing(status) || status === 409 || status === 423;
        if (again && status === 0) {
          one.state = 'offline';
          one.speed = 0;
        }
        return again;
      },
      onError: (failure) => {
        const answer = 'originalResponse' in failure ? failure.originalResponse : null;
        const status = answer?.getStatus() ?? 0;
        if (passing(status)) {
          // Beyond what the client tries by itself.
          this.whenBack(one, () => this.resume(one));
          return;
        }
        void this.look(one, detailOf(answer?.getBody()) ?? text.errors.status(status));
      },
      onSuccess: () => {
        one.sent = one.size;
        void this.look(one);
      },
    });
    one.tus = tus;
    tus.start();
  }
  // The line is lost: when it is back, or after a while.
  private whenBack(one: OneUpload, act: () => void) {
    one.state = 'offline';
    one.speed = 0;
    const again = () => {
      removeEventListener('online', again);
      clearTimeout(timer);
      if (one.state === 'offline') {
        act();
      }
    };
    const timer = setTimeout(again, 30_000);
    addEventListener('online', again);
  }
  // Asks what became of it.
  private async look(one: OneUpload, fault = '') {
    if (one.id === '') {
      one.state = 'failed';
      one.error ||= fault;
      this.pump();
      return;
    }
    try {
      const upload = await ask(
        api.GET('/api/v1/uploads/{id}', { params: { path: { id: one.id } } }),
      );
      this.show(one, upload);
      if (upload.state === 'receiving' && fault !== '') {
        one.again = true;
        one.state = 'failed';
        one.error = fault;
      }
    } catch (failure) {
      const error = asApiError(failure);
      if (passing(error.status)) {
        this.whenBack(one, () => void this.look(one, fault));
        return;
      }
      one.state = 'failed';
      one.error = error.message;
    }
    this.pump();
  }
  private show(one: OneUpload, upload: Upload) {
    if (one.state === 'done' && upload.state !== 'accepted') {
      return; // an answer of before
    }
    one.frames = upload.frame_count ?? 0;
    one.cost = upload.cost ?? 0;
    const problem = upload.problem as { detail?: string; type?: string } | undefined;
    if (upload.state === 'receiving') {
      one.sent = upload.offset;
      if (!one.file) {
        one.state = 'lost';
      }
      return;
    }
    one.sent = one.size;
    if (upload.state === 'refused') {
      one.error = problem?.detail ?? '';
      one.state = problem?.type?.endsWith('insufficient-tokens') ? 'short' : 'failed';
    } else {
      one.error = upload.state === 'priced' ? one.error : '';
      one.state = upload.state === 'accepted' ? 'done' : upload.state;
    }
  }
}

// Whether a status may be another one after a while. 0: there was no answer.
const passing = (status: number) =>
  status === 0 || status === 429 || (status >= 500 && status !== 507);

// What a problem document says.
function detailOf(body: string | undefined): string | undefined {
  try {
    return (JSON.parse(body ?? '') as { detail?: string }).detail;
  } catch {
    return undefined; // it is none
  }
}

export const uploads = new Uploads();

// The files of what was dropped, those in folders too.
export async function droppedFiles(data: DataTransfer): Promise<File[]> {
  const entries = [...data.items]
    .map((item) => item.webkitGetAsEntry?.() ?? null)
    .filter((entry) => entry !== null);
  if (entries.length === 0) {
    return [...data.files];
  }
  const files: File[] = [];
  const visit = async (entry: FileSystemEntry): Promise<void> => {
    if (entry.isFile) {
      files.push(
        await new Promise<File>((done, failed) =>
          (entry as FileSystemFileEntry).file(done, failed),
        ),
      );
      return;
    }
    const reader = (entry as FileSystemDirectoryEntry).createReader();
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((done, failed) =>
        reader.readEntries(done, failed),
      );
      if (some.length === 0) {
        return;
      }
      for (const each of some) {
        await visit(each);
      }
    }
  };
  for (const entry of entries) {
    await visit(entry);
  }
  return files.filter((file) => !file.name.startsWith('.'));
}
