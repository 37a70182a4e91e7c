import { text } from './text';

const locale = navigator.languages;
const integers = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const tokenFormat = new Intl.NumberFormat(locale, {
  minimumFractionDigits: 0,
  maximumFractionDigits: 3,
});
const oneDigit = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
const significant = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
const percents = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
const times = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
const days = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });

export const count = (n: number) => integers.format(n);
export const tokens = (n: number) => tokenFormat.format(n);
export const decimal = (n: number) => oneDigit.format(n);
export const figure = (n: number) => significant.format(n);
export const percent = (share: number) => percents.format(share);
export const time = (stamp: string | number) => times.format(new Date(stamp));
const shortDays = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', timeZone: 'UTC' });
export const shortDay = (stamp: number) => shortDays.format(new Date(stamp));
export const day = (stamp: string | number) => days.format(new Date(stamp));
const utcDays = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeZone: 'UTC' });
// Of a day that is one of UTC: 2026-11-30.
export const utcDay = (date: string) => utcDays.format(new Date(date));
export const grams = (n: number) => text.units.grams(significant.format(n));
export const joules = (n: number) =>
  n >= 3.6e6
    ? text.units.kilowattHours(significant.format(n / 3.6e6))
    : n >= 1000
      ? text.units.kilojoules(significant.format(n / 1000))
      : text.units.joules(significant.format(n));

export function bytes(n: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let value = n;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? integers.format(value) : significant.format(value)} ${units[unit]}`;
}

// As a clock: 1:02:03, or 0:04.5 with tenths.
export function clock(seconds: number, tenths = false): string {
  const whole = Math.floor(seconds);
  const two = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = two(whole % 60) + (tenths ? '.' + Math.floor((seconds % 1) * 10) : '');
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

// About how long: "3 min".
export function span(seconds: number): string {
  if (seconds < 90) {
    return text.units.seconds(significant.format(Math.max(seconds, 0)));
  }
  if (seconds < 5400) {
    return text.units.minutes(integers.format(seconds / 60));
  }
  return text.units.hours(oneDigit.format(seconds / 3600));
}
