// A colour for each label, the same everywhere: light enough to show on dark grounds and pictures, or
// dark enough for light grounds.
export function colourOf(label: string, onDark = true): string {
  let hash = 7;
  for (const letter of label) {
    hash = (hash * 31 + letter.codePointAt(0)!) >>> 0;
  }
  // Neighbouring hashes lie far apart on the wheel (the golden angle).
  const hue = Math.round((hash * 137.508) % 360);
  return onDark ? `hsl(${hue} 85% 70%)` : `hsl(${hue} 80% 32%)`;
}
