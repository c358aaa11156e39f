// Sizes and times for people; the same forms as webui/pages/templatetags/portside.py.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
const SPANS = [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

export function size(count) {
  if (count === null || count === undefined) return "–";
  let value = Number(count);
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const text = unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "");
  return `${text} ${UNITS[unit]}`;
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export function ago(seconds) {
  return seconds < 5 ? "just now" : `${spans(seconds)} ago`;
}

/** Of what is so many seconds ahead. */
export function until(seconds) {
  return seconds < 1 ? ago(-seconds) : `in ${spans(seconds)}`;
}

/** In the greatest unit of which there is a whole one. */
function spans(seconds) {
  const [length, name] = SPANS.find(([whole]) => seconds >= whole) ?? SPANS.at(-1);
  const count = Math.floor(seconds / length);
  return `${count} ${name}${count > 1 ? "s" : ""}`;
}

/** Used and total in the total's unit: `10.1 of 16 GiB`. */
export function share(used, total) {
  let unit = 0;
  let divisor = 1;
  while (total / divisor >= 1000 && unit < UNITS.length - 1) {
    divisor *= 1024;
    unit += 1;
  }
  const text = (value) => (value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, ""));
  return `${text(used / divisor)} of ${text(total / divisor)} ${UNITS[unit]}`;
}

/** Percent of one core; 250 reads "250 %". */
export function percent(value) {
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1).replace(/\.0$/, "")} %`;
}

export function rate(bytesPerSecond) {
  return `${size(Math.max(0, bytesPerSecond))}/s`;
}
