import { SvelteMap } from 'svelte/reactivity';
import { ApiError, type Schemas } from './api';
import { text } from './text';

export type Frame = Schemas['Frame'];
export type FoundObject = NonNullable<Frame['objects']>[number];

export interface FrameQuery {
  from?: number;
  to?: number;
  limit?: number;
  label?: string;
  confidence?: number;
  track_id?: number;
}

// The frames of a result that a query asks for (GET /jobs/{id}/frames, a line each).
export async function readFrames(job: string, query: FrameQuery): Promise<Frame[]> {
  const wanted = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== '') {
      wanted.set(name, String(value));
    }
  }
  let answer;
  try {
    answer = await fetch(`/api/v1/jobs/${job}/frames?${wanted}`, { credentials: 'same-origin' });
    if (answer.ok) {
      const lines = (await answer.text()).split('\n');
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Frame);
    }
  } catch {
    throw new ApiError({ status: 0, detail: text.errors.offline });
  }
  throw new ApiError((await answer.json().catch(() => ({}))) as Partial<Schemas['Problem']>);
}

const kWindowFrames = 120;
const kKeptWindows = 40;

// The frames around the place that is looked at, read in windows as they are needed. Memory does not
// grow with the result.
export class FrameWindows {
  private windows = new SvelteMap<number, Frame[]>();
  private asked = new Set<number>();
  private readonly job: string;
  private readonly fps: number;
  private readonly size: number; // frame numbers of a window
  private readonly first: number;
  private readonly last: number;

  constructor(job: string, fps: number, step: number, first: number, last: number) {
    this.job = job;
    this.fps = fps;
    this.size = kWindowFrames * step;
    this.first = Math.floor(first / this.size);
    this.last = Math.floor(last / this.size);
  }
  // The frame that was worked on at this time or last before it; null: there is none, or it is being
  // read.
  at(time: number): Frame | null {
    const at = time + 1e-4;
    let index = this.within(Math.floor((at * this.fps) / this.size));
    // Where frames last unevenly it is in another window than the average says.
    for (let tries = 0; tries <= this.last - this.first; ++tries) {
      const frames = this.window(index);
      if (!frames) {
        return null;
      }
      if (frames.length > 0 && frames[0]!.time <= at) {
        const found = frames.findLast((frame) => frame.time <= at)!;
        if (found !== frames.at(-1) || index === this.last) {
          return found;
        }
        const next = this.window(index + 1);
        if (!next || next.length === 0 || next[0]!.time > at) {
          return found;
        }
        index += 1;
      } else if (index > this.first) {
        index -= 1;
      } else {
        return null;
      }
    }
    return null;
  }
  // Those before a frame, as far as they are at hand, the newest first.
  *before(frame: Frame): Generator<Frame> {
    for (let index = Math.floor(frame.frame / this.size); index >= this.first; --index) {
      const frames = this.windows.get(index);
      if (!frames) return;
      for (const each of frames.toReversed()) {
        if (each.frame < frame.frame) yield each;
      }
    }
  }
  private within(index: number): number {
    return Math.min(Math.max(index, this.first), this.last);
  }
  private window(index: number): Frame[] | undefined {
    const found = this.windows.get(index);
    // The next one is at hand when playback comes to it.
    for (const each of [index, this.within(index + 1)]) {
      if (!this.asked.has(each)) {
        this.asked.add(each);
        queueMicrotask(() => void this.read(each));
      }
    }
    return found;
  }
  private async read(index: number) {
    try {
      const from = index * this.size;
      const frames = await readFrames(this.job, { from, to: from + this.size });
      this.windows.set(index, frames);
    } catch {
      // Asked for again when it is looked at the next time, not at once.
      setTimeout(() => this.asked.delete(index), 2000);
      return;
    }
    for (const each of this.windows.keys()) {
      if (this.windows.size <= kKeptWindows) break;
      if (Math.abs(each - index) > 3) {
        this.windows.delete(each);
        this.asked.delete(each);
      }
    }
  }
}
