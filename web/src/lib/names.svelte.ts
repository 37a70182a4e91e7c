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
            this.asked.delete(id); // asked again the next time
          }
        },
      );
    }
    return this.known.get(id);
  }
  forget(id: string) {
    this.asked.delete(id);
    this.known.delete(id);
  }
}

export const videoNames = new Videos();
