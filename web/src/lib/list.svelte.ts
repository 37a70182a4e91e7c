import { asApiError, type ApiError, type Page } from './api';

// A list of the server's that is read page by page, and changed as events tell.
export class PagedList<T extends { id: string }> {
  items = $state<T[]>([]);
  loading = $state(true);
  error = $state<ApiError | null>(null);
  private cursor: string | null = null;
  private read: ((cursor: string | undefined) => Promise<Page<T>>) | null = null;
  private turn = 0;
  // What events told while the first page was on its way, which may be older than they are.
  private told = new Map<string, T | null>();

  // Reads the first page; whatever is under way does not count any more.
  async load(read: (cursor: string | undefined) => Promise<Page<T>>) {
    this.read = read;
    this.cursor = null;
    this.told.clear();
    await this.fetch(++this.turn, true);
  }
  async reload() {
    if (this.read) {
      await this.load(this.read);
    }
  }
  get hasMore(): boolean {
    return this.cursor !== null && !this.loading;
  }
  async more() {
    if (this.hasMore) {
      await this.fetch(this.turn, false);
    }
  }
  find(id: string): T | undefined {
    return this.items.find((item) => item.id === id);
  }
  // Changes what is there; false when it is not.
  merge(change: { id: string } & Partial<T>): boolean {
    const item = this.find(change.id);
    if (item) {
      Object.assign(item, change);
    }
    return item !== undefined;
  }
  // Puts a new one in front.
  add(item: T) {
    if (this.loading) {
      this.told.set(item.id, item);
    }
    if (!this.merge(item)) {
      this.items.unshift(item);
    }
  }
  remove(id: string) {
    if (this.loading) {
      this.told.set(id, null);
    }
    this.items = this.items.filter((item) => item.id !== id);
  }

  private async fetch(turn: number, first: boolean) {
    this.loading = true;
    try {
      const page = await this.read!(first ? undefined : (this.cursor ?? undefined));
      if (turn !== this.turn) {
        return;
      }
      const items = page.items ?? [];
      if (first) {
        const there = new Set(items.map((item) => item.id));
        const fresh = [...this.told.values()].filter((item) => item && !there.has(item.id));
        this.items = [...fresh.reverse(), ...items.map((item) => this.told.get(item.id) ?? item)].filter(
          (item): item is T => item !== null && this.told.get(item.id) !== null,
        );
      } else {
        // One that an event had put in front already comes again.
        const known = new Set(this.items.map((item) => item.id));
        this.items.push(...items.filter((item) => !known.has(item.id)));
      }
      this.cursor = page.next_cursor ?? null;
      this.error = null;
    } catch (failure) {
      if (turn === this.turn) {
        this.error = asApiError(failure);
      }
    } finally {
      if (turn === this.turn) {
        this.loading = false;
      }
    }
  }
}
