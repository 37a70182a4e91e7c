// What the dashboard tells in passing, with something to do about it.
export interface Notice {
  id: number;
  kind: 'done' | 'error';
  message: string;
  action?: { label: string; run: () => void };
}

class Notices {
  list = $state<Notice[]>([]);
  private last = 0;

  add(kind: Notice['kind'], message: string, action?: Notice['action']) {
    const id = ++this.last;
    this.list.push({ id, kind, message, action });
    setTimeout(() => this.remove(id), kind === 'error' ? 12_000 : 8_000);
  }
  done(message: string, action?: Notice['action']) {
    this.add('done', message, action);
  }
  error(error: { message: string; requestId?: string }) {
    this.add('error', error.message);
  }
  remove(id: number) {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();
