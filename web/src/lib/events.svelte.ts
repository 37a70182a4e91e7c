import type { Dataset, Job, Upload, Video } from './api';

// What the server tells as it happens (docs/events.md): logged events with numbers that have no
// hole, and in between how far jobs have come.
export interface ServerEvent {
  id?: number;
  after?: number;
  type: string;
  // Of jobs, videos and uploads what has changed.
  job?: { id: string; deleted?: boolean } & Partial<Job>;
  video?: { id: string; deleted?: boolean } & Partial<Video>;
  upload?: { id: string } & Partial<Upload>;
  dataset?: { id: string } & Partial<Dataset>;
  balance?: { tokens: number };
  queue?: unknown;
}
type Listener = (event: ServerEvent) => void;

const kFirstWait = 500; // ms
const kLongestWait = 30_000;
// A line that is silent for longer than the server's pings are apart is dead.
const kSilence = 60_000;
const kPolicyViolation = 1008; // RFC 6455: the session does not hold any more

class Events {
  // Whether the line is there; what is shown may be old while it is not.
  connected = $state(true);

  private socket: WebSocket | null = null;
  private wanted = false;
  private last: number | null = null;
  private early = false; // a page began before the line was there
  private wait = kFirstWait;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Map<string, Set<Listener>>();

  // Returns how to stop hearing of them. "reset": what was read before may be old, read it anew.
  on(type: string, listener: Listener): () => void {
    const all = this.listeners.get(type) ?? new Set();
    all.add(listener);
    this.early ||= type === 'reset' && this.wanted && this.last === null;
    this.listeners.set(type, all);
    return () => all.delete(listener);
  }
  open() {
    if (!this.wanted) {
      this.wanted = true;
      this.connect();
      addEventListener('online', this.now);
      addEventListener('offline', this.lost);
    }
  }
  close() {
    this.wanted = false;
    this.last = null;
    this.early = false;
    removeEventListener('online', this.now);
    removeEventListener('offline', this.lost);
    clearTimeout(this.timer);
    clearTimeout(this.watch);
    this.socket?.close();
    this.socket = null;
    this.connected = true;
  }

  // The machine has no line any more: that is known before any silence tells it.
  private readonly lost = () => {
    const socket = this.socket;
    socket?.onclose?.(new CloseEvent('close'));
    socket?.close();
  };
  private readonly now = () => {
    if (this.socket === null && this.wanted) {
      clearTimeout(this.timer);
      this.connect();
    }
  };
  private connect() {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(`${scheme}//${location.host}/api/v1/ws`);
    this.socket = socket;
    socket.onopen = () => {
      if (this.last !== null) {
        socket.send(JSON.stringify({ type: 'resume', after: this.last }));
      }
      this.ping(socket);
    };
    socket.onmessage = (message) => {
      this.connected = true;
      this.wait = kFirstWait;
      this.ping(socket);
      this.hear(JSON.parse(message.data as string) as ServerEvent);
    };
    socket.onclose = (event) => {
      clearTimeout(this.watch);
      if (this.socket !== socket || !this.wanted) {
        return;
      }
      this.socket = null;
      this.connected = false;
      if (event.code === kPolicyViolation) {
        this.hear({ type: 'refused' });
      }
      this.timer = setTimeout(() => this.connect(), this.wait * (0.75 + Math.random() / 2));
      this.wait = Math.min(this.wait * 2, kLongestWait);
    };
  }
  // The server answers a ping, so a line that is cut without a word is noticed.
  private ping(socket: WebSocket) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => {
      socket.send(JSON.stringify({ type: 'ping' }));
      this.watch = setTimeout(() => {
        socket.onclose?.(new CloseEvent('close'));
        socket.close();
      }, 10_000);
    }, kSilence / 2);
  }
  private hear(event: ServerEvent) {
    for (const each of [event.job, event.video] as ({ status?: string; deleted?: boolean } | undefined)[]) {
      if (each?.status === 'DELETED') each.deleted = true;
    }
    if (event.id !== undefined) {
      this.last = event.id;
    } else if (event.type === 'authenticated') {
      // What happened between a page's first look and now was told to nobody.
      const missed = this.last === null && this.early;
      this.last ??= event.after ?? null;
      this.early = false;
      if (missed) this.hear({ type: 'reset' });
    }
    for (const listener of this.listeners.get(event.type) ?? []) {
      listener(event);
    }
  }
}

export const events = new Events();
