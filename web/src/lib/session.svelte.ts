import { api, ask, ApiError, unauthenticated, type User } from './api';
import { events } from './events.svelte';
import { videoNames } from './names.svelte';
import { router } from './router.svelte';
import type { paths } from './schema';
import { uploads } from './uploads.svelte';

// Who signed in here: who did not is not asked about at the server, and other tabs hear of it.
const kRemembered = 'infernode.session';
const remembered = () => localStorage.getItem(kRemembered);
function remember(user: string | null) {
  if (user === null) {
    localStorage.removeItem(kRemembered);
  } else if (remembered() !== user) {
    localStorage.setItem(kRemembered, user);
  }
}

// Who is signed in. The cookie of the session is out of reach of scripts, so the server is asked.
class Session {
  user = $state<User | null>(null);
  info = $state<Info | null>(null);
  loaded = $state(false);
  // Why the last one ended, if not because somebody signed out.
  expired = $state(false);

  constructor() {
    unauthenticated.addEventListener('unauthenticated', () => {
      if (this.user) {
        this.end(true);
      }
    });
    events.on('balance', (event) => {
      if (this.user && event.balance) {
        this.user.tokens = event.balance.tokens;
      }
    });
    // What another tab has done.
    addEventListener('storage', (event) => {
      if (event.key !== kRemembered || !this.loaded || event.newValue === (this.user?.id ?? null)) {
        return;
      }
      this.leave(false);
      if (event.newValue !== null) {
        this.load().catch(() => {}); // said by the next request
      }
    });
    events.on('reset', () => void this.load().catch(() => {}));
    // The cookie is another one, or none holds any more: 401 ends it.
    events.on('refused', () => {
      ask(api.GET('/api/v1/users/me')).then(
        (user) => {
          if (this.user && user.id !== this.user.id) {
            this.leave(false);
            this.load().catch(() => {});
          }
        },
        () => {},
      );
    });
  }

  // Throws what is no answer about who it is.
  async load(begun = remembered() !== null) {
    try {
      if (begun) {
        this.user = await ask(api.GET('/api/v1/users/me'));
        remember(this.user.id);
        events.open();
      }
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) {
        throw error;
      }
      remember(null);
    } finally {
      this.loaded = true;
    }
  }
  async loadInfo() {
    this.info ??= await ask(api.GET('/api/v1/info'));
  }
  async signIn(email: string, password: string) {
    await ask(api.POST('/api/v1/auth/session', { body: { email, password } }));
    this.expired = false;
    await this.load(true);
  }
  async register(email: string, password: string) {
    await ask(api.POST('/api/v1/auth/register', { body: { email, password } }));
    await this.signIn(email, password);
  }
  // Ends every other session and key; this one is begun anew.
  async changePassword(current: string, next: string) {
    await ask(
      api.POST('/api/v1/users/me/password', {
        body: { current_password: current, new_password: next },
      }),
    );
    await this.signIn(this.user!.email, next);
  }
  async signOut() {
    await ask(api.DELETE('/api/v1/auth/session'));
    this.end(false);
  }
  private end(expired: boolean) {
    remember(null);
    this.leave(expired);
  }
  // Nothing of a user stays behind in this tab.
  private leave(expired: boolean) {
    events.close();
    uploads.forget();
    videoNames.forget();
    this.user = null;
    this.expired = expired;
    router.go('/');
  }
}

export type Info =
  paths['/api/v1/info']['get']['responses']['200']['content']['application/json'];
export const session = new Session();
