import { SvelteMap } from 'svelte/reactivity';
import { api, ask, asApiError, type Video } from './api';

// The videos that lists name, each read once.
class Videos {
  private known = new SvelteMap<string, Video | null>();
  private asked = new Set<string>();

  // undefined: not known yet; null: there is none any more.
  get(id: string): Video | null | undefined {
    if (!this.asked.has(id)) {
      this.asked.add(id);
      ask(api.GET('/api/v1/videos/{id}', { params: { path: { id } } })).then(
        (video) => this.known.set(id, video),
        (failure: unknown) => {
          if (asApiError(failure).status === 404) {
            this.known.set(id, null);
          } else {
            setTimeout(() => this.asked.delete(id), 5000);
          }
        },
      );
    }
    return this.known.get(id);
  }
  forget() {
    this.asked.clear();
    this.known.clear();
  }
}

export const videoNames = new Videos();
