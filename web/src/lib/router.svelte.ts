// The page that is shown is the address of the browser: /jobs/{id}?tab=images.

class Router {
  path = $state(location.pathname);
  query = $state(new URLSearchParams(location.search));

  constructor() {
    addEventListener('popstate', () => this.read());
  }
  private read() {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }
  go(to: string, replace = false) {
    if (to !== location.pathname + location.search) {
      history[replace ? 'replaceState' : 'pushState'](null, '', to);
    }
    this.read();
    scrollTo(0, 0);
  }
  // Changes one value of the query, without a step in the history.
  set(name: string, value: string) {
    const query = new URLSearchParams(location.search);
    if (value === '') {
      query.delete(name);
    } else {
      query.set(name, value);
    }
    const rest = query.toString();
    history.replaceState(null, '', location.pathname + (rest === '' ? '' : '?' + rest));
    this.query = query;
  }
}

export const router = new Router();

// Follows links within the dashboard without loading it anew.
export function followLinks(event: MouseEvent) {
  const link = (event.target as Element | null)?.closest?.('a');
  if (
    !link ||
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey ||
    link.target ||
    link.hasAttribute('download') ||
    link.origin !== location.origin ||
    link.pathname.startsWith('/api/') ||
    link.pathname.startsWith('/docs') ||
    link.pathname === '/openapi.json'
  ) {
    return;
  }
  if (link.hash !== '' && link.pathname === location.pathname) {
    return;
  }
  event.preventDefault();
  router.go(link.pathname + link.search);
}
