import { api, ask, ApiError, unauthenticated, type User } from './api';
import { events } from './events.svelte';
import { router } from './router.svelte';
import type { paths } from './schema';
import { uploads } from './uploads.svelte';

// Whether somebody signed in here: who did not is not asked about at the server.
const kRemembered = 'infernode.session';
const remembered = () => localStorage.getItem(kRemembered) !== null;
function remember(begun: boolean) {
  if (begun) {
    localStorage.setItem(kRemembered, '1');
  } else {
    localStorage.removeItem(kRemembered);
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
      if (event.key === kRemembered && this.loaded && remembered() !== (this.user !== null)) {
        if (this.user) {
          this.end(false);
        } else {
          void this.load();
        }
      }
    });
    events.on('reset', () => void this.load());
    events.on('refused', () => {
      if (this.user) {
        ask(api.GET('/api/v1/users/me')).catch(() => {}); // 401 ends it
      }
    });
  }

  async load() {
    if (!remembered()) {
      this.loaded = true;
      return;
    }
    try {
      this.user = await ask(api.GET('/api/v1/users/me'));
      events.open();
    } catch (error) {
      if (error instanceof ApiError && error.status === 0) {
        throw error;
      }
      this.user = null;
      remember(false);
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
    remember(true);
    await this.load();
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
    events.close();
    uploads.forget();
    remember(false);
    this.user = null;
    this.expired = expired;
    router.go('/');
  }
}

export type Info =
  paths['/api/v1/info']['get']['responses']['200']['content']['application/json'];
export const session = new Session();
