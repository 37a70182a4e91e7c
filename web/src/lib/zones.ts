// A named area or line, in pixels of the video as shown.
export interface Zone {
  name: string;
  polygon?: number[][];
  line?: number[][];
}

// "10,20 30,40" as points; null for what is none.
export function pointsOf(typed: string): number[][] | null {
  const points = typed
    .trim()
    .split(/\s+/)
    .map((pair) => pair.split(',').map(Number));
  const sound = points.every((point) => point.length === 2 && point.every(Number.isFinite));
  return sound ? points : null;
}

export const typedPoints = (points: number[][]) => points.map((point) => point.join(',')).join(' ');

// What is wrong with a zone; null: nothing.
export function zoneFault(zone: Zone): 'name' | 'corners' | null {
  if (zone.name.trim() === '') return 'name';
  const enough = zone.line ? zone.line.length === 2 : (zone.polygon?.length ?? 0) >= 3;
  return enough ? null : 'corners';
}
